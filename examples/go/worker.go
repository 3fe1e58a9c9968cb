// A worker in Go: pulls the tasks of one topic and answers each of them once.
//
//	go run worker.go bus.go [TOPIC]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

const slots = 4 // tasks at once

type fields map[string]any

// handle is your work: what it returns is the result or the error.
func handle(body []byte) (any, error) {
	var input struct {
		Text    string
		Seconds float64
	}
	if err := json.Unmarshal(body, &input); err != nil {
		return nil, err
	}
	if input.Text == "" {
		return nil, errors.New("text is missing")
	}
	time.Sleep(time.Duration(input.Seconds * float64(time.Second)))
	return fields{"text": strings.ToUpper(input.Text), "by": "go"}, nil
}

func outcome(body []byte) fields {
	if !json.Valid(body) {
		return failure("bad_payload", "input", "the body is not JSON")
	}
	data, err := handle(body)
	if err != nil {
		return failure("handler_error", "task", err.Error())
	}
	return fields{"ok": true, "data": data}
}

func failure(code, category, message string) fields {
	return fields{"ok": false, "error": fields{
		"code": code, "category": category, "message": message, "retryable": false}}
}

var token = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// idOf is the sender's id from the header or the subject, else the task's place in the stream.
func idOf(task *nats.Msg, meta *nats.MsgMetadata) (id string) {
	if parts := strings.Split(task.Subject, "."); len(parts) == 4 {
		id = parts[3]
	}
	for name, values := range task.Header {
		if strings.EqualFold(name, "Pp-Id") {
			id = values[0]
		}
	}
	if !token.MatchString(id) {
		id = fmt.Sprintf("%s-%d", meta.Stream, meta.Sequence.Stream)
	}
	return id
}

func work(js nats.JetStreamContext, task *nats.Msg) error {
	meta, err := task.Metadata()
	if err != nil {
		return err
	}
	answer := make(chan fields, 1)
	go func() { answer <- outcome(task.Data) }()
	for {
		select {
		case <-time.After(10 * time.Second):
			task.InProgress() // or it goes to another worker after 30 s
		case result := <-answer:
			if err := publish(js, idOf(task, meta), meta.NumDelivered, result); err != nil {
				return err
			}
			return task.AckSync()
		}
	}
}

func publish(js nats.JetStreamContext, id string, delivery uint64, result fields) error {
	body, err := json.Marshal(result)
	if err != nil {
		return err
	}
	_, err = js.Publish(prefix+".result."+id, body,
		nats.MsgId(fmt.Sprintf("%s:r:%d", id, delivery)),
		nats.ExpectLastSequencePerSubject(0), // the first result wins
		nats.RetryAttempts(10))
	var refused *nats.APIError
	if errors.As(err, &refused) && refused.ErrorCode == 10071 { // there is one already
		return nil
	}
	return err
}

func pull(running context.Context, nc *nats.Conn, js nats.JetStreamContext, tasks *nats.Subscription) {
	for running.Err() == nil {
		if !nc.IsConnected() { // a request that waits for the connection would take a task too many
			time.Sleep(100 * time.Millisecond)
			continue
		}
		batch, err := tasks.Fetch(1, nats.MaxWait(2*time.Second))
		if err != nil && !errors.Is(err, nats.ErrTimeout) {
			log.Print("no task: ", err)
			time.Sleep(time.Second)
		}
		for _, task := range batch {
			if err := work(js, task); err != nil {
				log.Printf("%s comes again: %v", task.Subject, err)
				task.NakWithDelay(5 * time.Second)
			}
		}
	}
}

func main() {
	topic := append(os.Args[1:], "upper")[0]
	nc, js := connect()
	defer nc.Close()

	// The first signal lets the running tasks finish, a second one ends at once.
	running, restore := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	go func() { <-running.Done(); restore() }()

	var all sync.WaitGroup
	for i := 0; i < slots; i++ {
		tasks := must(js.PullSubscribe("", "", nats.Bind(strings.ToUpper(prefix)+"_TASKS", "w_"+topic)))
		all.Add(1)
		go func() { defer all.Done(); pull(running, nc, js, tasks) }()
	}
	fmt.Println("go works on", topic)
	all.Wait()
}
