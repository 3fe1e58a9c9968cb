// What worker.go and client.go share: settings from the environment, patience with restarts.
package main

import (
	"errors"
	"log"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

var (
	prefix = setting("PEPPERPY_BUS_PREFIX", "pp")
	stream = strings.ToUpper(prefix) + "_TASKS"
)

type object = map[string]any // of JSON

func connect() (*nats.Conn, nats.JetStreamContext) {
	nc := must(nats.Connect(setting("PEPPERPY_NATS_URL", setting("NATS_URL", nats.DefaultURL)),
		nats.UserInfo(os.Getenv("PEPPERPY_NATS_USER"), os.Getenv("PEPPERPY_NATS_PASSWORD")),
		nats.CustomInboxPrefix(setting("PEPPERPY_NATS_INBOX_PREFIX", "_INBOX")),
		nats.MaxReconnects(-1),             // a broker that restarts is no reason to end
		nats.PingInterval(10*time.Second))) // a half-open link is noticed within 30 s
	return nc, must(nc.JetStream())
}

// next pulls one task; it is back without one after two seconds.
func next(nc *nats.Conn, tasks *nats.Subscription) *nats.Msg {
	if nc.IsConnected() { // a pull that waits for the connection would take a task too many
		batch, err := tasks.Fetch(1, nats.MaxWait(2*time.Second))
		if len(batch) == 1 {
			return batch[0]
		}
		if errors.Is(err, nats.ErrTimeout) || !failed(err) {
			return nil
		}
	}
	if nc.IsClosed() {
		log.Fatal("refused for good: ", nc.LastError())
	}
	time.Sleep(time.Second)
	return nil
}

// header looks a header up in any letter case.
func header(message *nats.Msg, name, otherwise string) string {
	for spelling, values := range message.Header {
		if strings.EqualFold(spelling, name) && values[0] != "" {
			return values[0]
		}
	}
	return otherwise
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func failed(err error) bool {
	if err != nil {
		log.Print(err)
	}
	return err != nil
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
