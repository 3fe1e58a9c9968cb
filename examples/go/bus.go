// The connection of worker.go and client.go: settings from the environment, patience with restarts.
package main

import (
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

var prefix = setting("PEPPERPY_BUS_PREFIX", "pp")

func connect() (*nats.Conn, nats.JetStreamContext) {
	nc := must(nats.Connect(setting("PEPPERPY_NATS_URL", setting("NATS_URL", nats.DefaultURL)),
		nats.UserInfo(os.Getenv("PEPPERPY_NATS_USER"), os.Getenv("PEPPERPY_NATS_PASSWORD")),
		nats.CustomInboxPrefix(setting("PEPPERPY_NATS_INBOX_PREFIX", "_INBOX")),
		nats.MaxReconnects(-1),             // a broker that restarts is no reason to end
		nats.PingInterval(10*time.Second))) // a half-open link is noticed within 30 s
	return nc, must(nc.JetStream())
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
