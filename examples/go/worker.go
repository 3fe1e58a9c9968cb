// A worker in Go: pulls the tasks of one topic, one at a time, and answers each of them once.
//
//	go run worker.go bus.go [TOPIC]
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// handle is your work: what it returns is the result or the error.
func handle(body []byte) (any, error) {
	var input struct {
		Text    string
		Seconds float64
	}
	err := json.Unmarshal(body, &input)
	time.Sleep(time.Duration(input.Seconds * float64(time.Second)))
	return object{"text": strings.ToUpper(input.Text), "by": "go"}, err
}

// idOf is the sender's id from the header or the subject, else the task's place in the stream.
func idOf(task *nats.Msg) string {
	id := header(task, "Pp-Id", strings.Join(strings.Split(task.Subject, ".")[3:], ""))
	if valid, _ := regexp.MatchString(`^[A-Za-z0-9_-]{1,64}$`, id); !valid {
		id = fmt.Sprint(stream, "-", must(task.Metadata()).Sequence.Stream)
	}
	return id
}

// answer publishes the result, unless there is one already, and acknowledges the task.
func answer(js nats.JetStreamContext, task *nats.Msg) error {
	defer time.AfterFunc(10*time.Second, func() { pulse(task) }).Stop()
	data, err := handle(task.Data)
	body := object{"ok": true, "data": data}
	if err != nil {
		body = object{"ok": false, "error": object{"code": "handler_error", "message": err.Error()}}
	}
	first, patient := nats.ExpectLastSequencePerSubject(0), nats.RetryAttempts(10)
	_, err = js.Publish(prefix+".result."+idOf(task), must(json.Marshal(body)), first, patient)
	if err != nil && !errors.Is(err, &nats.APIError{ErrorCode: 10071}) { // it is not the first
		return err
	}
	return task.AckSync()
}

// pulse keeps the task, which goes to another worker after 30 s of silence, until it is settled.
func pulse(task *nats.Msg) {
	if task.InProgress() == nil {
		time.AfterFunc(10*time.Second, func() { pulse(task) })
	}
}

func main() {
	nc, js := connect()
	defer nc.Close()
	tasks := must(js.PullSubscribe("", "", nats.Bind(stream, "w_"+append(os.Args[1:], "upper")[0])))
	stop := make(chan os.Signal, 1) // a signal lets the running task finish
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	for len(stop) == 0 {
		if task := next(nc, tasks); task != nil && failed(answer(js, task)) {
			task.NakWithDelay(5 * time.Second) // the bus failed: it comes again
		}
	}
}
