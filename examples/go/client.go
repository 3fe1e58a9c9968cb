// A client in Go: publishes one task, waits for its result, prints it.
//
//	go run client.go bus.go [TOPIC] [JSON]
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

func main() {
	topic, body := "upper", `{"text":"hello from go"}`
	if len(os.Args) > 2 {
		topic, body = os.Args[1], os.Args[2]
	}
	nc, js := connect()
	defer nc.Close()

	id := nuid.Next()
	results := must(nc.SubscribeSync(prefix + ".result." + id)) // before the task is out
	subject := prefix + ".task." + topic + "." + id
	must(js.Publish(subject, []byte(body), nats.MsgId(id), nats.RetryAttempts(10)))
	fmt.Println(string(must(results.NextMsg(30 * time.Second)).Data))
}
