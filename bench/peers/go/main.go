// SPDX-License-Identifier: MIT

// The WebSocket client that most of Go uses, in the terminals' cases: a goroutine a terminal. Of the
// agent's protocol only what has to be said: bench-peer CASE name=value...
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

const (
	key        = 'x'
	head       = 8
	ring int64 = 256 << 10
)

type terminal struct {
	socket *websocket.Conn
	writer sync.Mutex   // an echo may be there before its write has returned
	typed  atomic.Int64 // ns; 0: nothing on its way
	took   []int64      // ns, of its goroutine
}

func number(name string, fallback int64) int64 {
	for _, argument := range os.Args[2:] {
		if strings.HasPrefix(argument, name+"=") {
			parsed, err := strconv.ParseInt(argument[len(name)+1:], 10, 64)
			check(err)
			return parsed
		}
	}
	return fallback
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// --- measuring ---

var (
	cpuStart  int64
	wallStart time.Time
	latencies []int64
	notes     = map[string]any{}
)

func cpuUs() int64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return (usage.Utime.Sec+usage.Stime.Sec)*1000000 + usage.Utime.Usec + usage.Stime.Usec
}

func ofStatus(name string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	check(err)
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, name+":") {
			value, err := strconv.ParseInt(strings.Fields(line)[1], 10, 64)
			check(err)
			return value
		}
	}
	return 0
}

func start() {
	cpuStart = cpuUs()
	wallStart = time.Now()
}

func finish(operations, bytes int64) {
	cpu := cpuUs() - cpuStart
	wall := time.Since(wallStart).Microseconds()
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	part := func(p float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		return float64(latencies[int(float64(len(latencies))*p)]) / 1000
	}
	result := map[string]any{
		"operations": operations, "bytes": bytes, "failed": 0, "cpu_us": cpu, "wall_us": wall,
		"peak_kb": ofStatus("VmHWM"), "p50_us": part(0.5), "p99_us": part(0.99),
	}
	for name, value := range notes {
		result[name] = value
	}
	text, err := json.Marshal(result)
	check(err)
	fmt.Println(string(text))
	os.Exit(0)
}

// --- terminals ---

func open(at int, program string) *terminal {
	dialer := websocket.Dialer{Subprotocols: []string{"e2b-terminal.v1"}, ReadBufferSize: 0}
	url := "ws" + strings.TrimPrefix(os.Getenv("E2B_SANDBOX_URL"), "http") + "/v1"
	socket, _, err := dialer.Dial(url, http.Header{})
	check(err)
	check(socket.WriteJSON(map[string]any{
		"type": "create", "id": fmt.Sprintf("t%d", at), "argv": []string{program},
		"cols": 80, "rows": 24, "writer": fmt.Sprintf("w%d", at), "offset": 0,
	}))
	var answer struct{ Type string }
	check(socket.ReadJSON(&answer))
	if answer.Type != "attached" {
		log.Fatal("not attached")
	}
	return &terminal{socket: socket}
}

func (t *terminal) output() []byte {
	_, data, err := t.socket.ReadMessage()
	check(err)
	if len(data) <= head || data[head] != key || data[len(data)-1] != key {
		log.Fatal("bad output")
	}
	return data[head:]
}

func (t *terminal) press() {
	t.writer.Lock()
	defer t.writer.Unlock()
	t.typed.Store(time.Now().UnixNano())
	check(t.socket.WriteMessage(websocket.BinaryMessage, []byte{key}))
}

func terminalEcho() {
	wanted, rate := int(number("terminals", 1)), number("rate", 0)
	terminals := make([]*terminal, wanted)
	terminals[0] = open(0, "cat")
	before := ofStatus("VmRSS")
	var next, left, toType atomic.Int64
	var openers sync.WaitGroup
	for i := 0; i < 50; i++ {
		openers.Add(1)
		go func() {
			defer openers.Done()
			for at := int(next.Add(1)); at < wanted; at = int(next.Add(1)) {
				terminals[at] = open(at, "cat")
			}
		}()
	}
	openers.Wait()
	over := make(chan bool)
	for _, it := range terminals {
		go func(it *terminal) {
			for {
				it.output()
				it.took = append(it.took, time.Now().UnixNano()-it.typed.Swap(0))
				if rate == 0 && toType.Add(-1) >= 0 {
					it.press()
				}
				if left.Add(-1) == 0 {
					over <- true
				}
			}
		}(it)
	}
	time.Sleep(300 * time.Millisecond)
	notes["stream_bytes"] = 0
	if wanted > 1 {
		notes["stream_bytes"] = float64(ofStatus("VmRSS")-before) * 1024 / float64(wanted-1)
	}
	run := func(count int64) {
		left.Store(count)
		toType.Store(count)
		if rate == 0 {
			for i := 0; i < wanted && toType.Add(-1) >= 0; i++ {
				terminals[i].press()
			}
			<-over
			return
		}
		interval, aTick := time.Millisecond, rate/1000
		if rate < 1000 {
			interval, aTick = time.Second/time.Duration(rate), 1
		}
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for at := 0; ; {
			select {
			case <-over:
				return
			case <-ticker.C:
			}
			for i := int64(0); i < aTick && toType.Load() > 0; i++ {
				if terminals[at].typed.Load() == 0 {
					toType.Add(-1)
					terminals[at].press()
				}
				at = (at + 1) % wanted
			}
		}
	}
	run(number("warm_up", int64(wanted)))
	for _, it := range terminals {
		it.took = it.took[:0]
	}
	start()
	count := number("count", 100000)
	run(count)
	for _, it := range terminals {
		latencies = append(latencies, it.took...)
	}
	finish(count, 0)
}

func terminalFlood() {
	it := open(0, "flood")
	print := func(total int64) (pieces, bytes int64) {
		check(it.socket.WriteMessage(websocket.BinaryMessage, []byte(fmt.Sprintf("%d\n", total))))
		for told := int64(0); bytes < total; pieces++ {
			bytes += int64(len(it.output()))
			if bytes-told >= ring/4 {
				ack := fmt.Sprintf(`{"type":"ack","offset":%d}`, bytes)
				check(it.socket.WriteMessage(websocket.TextMessage, []byte(ack)))
				told = bytes
			}
		}
		return pieces, bytes
	}
	total := number("total", 1<<30)
	print(total / 16)
	start()
	finish(print(total))
}

func main() {
	switch os.Args[1] {
	case "terminal_echo":
		terminalEcho()
	case "terminal_flood":
		terminalFlood()
	default:
		log.Fatal("no such case")
	}
}
