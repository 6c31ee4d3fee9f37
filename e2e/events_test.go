package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

const watched = `
-- w.toml --
[[state]]
name = "mode"
payload = "string"

[[state]]
name = "link"
payload = "json"
branch = ["name"]

[[signal]]
name = "note"
payload = "string"

[[socket]]
name = "day"
type = "uds"
listen = "day.sock"
start-on = [{ state = "mode", target = "day" }]

[[socket]]
name = "spare"
type = "uds"
listen = "spare.sock"

[[service]]
name = "many"
run = { exec = "sleep", args = ["1000"] }
start-on = ["link"]
branching = { source-state = "link", key = "name", max-instances = 4 }

[[service]]
name = "talks"
run = { exec = "sh", args = ["-c", "printf 'red \\033[31m\\n'; exec sleep 1000"] }
`

// follow runs a client that prints lines until it is interrupted, and gives them to
// the test as they come.
type follow struct {
	b     *bed
	cmd   *exec.Cmd
	lines chan string
}

func (b *bed) follow(args ...string) *follow {
	b.t.Helper()
	f := &follow{b: b, cmd: b.command(b.t.Context(), args...), lines: make(chan string, 1024)}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	go func() {
		defer close(f.lines)
		in := bufio.NewScanner(out)
		for in.Scan() {
			f.lines <- in.Text()
		}
	}()
	return f
}

// until returns the lines up to the one that has text in it.
func (f *follow) until(text string) []string {
	f.b.t.Helper()
	late := time.After(patience)
	var got []string
	for {
		select {
		case line, ok := <-f.lines:
			got = append(got, line)
			if !ok {
				f.b.t.Fatalf("the client has ended without %q, after %q", text, got)
			}
			if strings.Contains(line, text) {
				return got
			}
		case <-late:
			f.b.t.Fatalf("%q did not come; %q did", text, got)
		}
	}
}

// end interrupts the client.
func (f *follow) end() {
	f.b.t.Helper()
	if err := f.cmd.Process.Signal(syscall.SIGINT); err != nil {
		f.b.t.Error(err)
	}
	_ = f.cmd.Wait() // by the signal
}

// The command shows units, states and signals with their causes, as text and as JSON,
// and only what is asked for.
func TestEventsCommand(t *testing.T) {
	t.Parallel()
	b := run(t, watched)
	text, documents, some := b.follow("events"), b.follow("events", "--json"), b.follow("events", "many[eth0]", "note")
	for _, f := range []*follow{text, documents, some} {
		defer f.end()
		b.eventually("a client watches", func() bool {
			b.do("emit", "note", "begin")
			return len(f.lines) > 0
		})
	}
	b.do("set-state", "mode", "day")
	b.do("set-state", "link", `{"name":"eth1"}`)
	b.do("set-state", "link", `{"name":"eth0"}`)
	// What is on its way may be called off before it is there.
	b.awaitSocket("w@day", "listening")
	b.awaitInstance("w@many", "eth1", "active")
	b.awaitInstance("w@many", "eth0", "active")
	b.do("stop", "many[eth0]")
	b.do("remove-state", "mode")
	b.do("emit", "note", "over")
	got := strings.Join(text.until("signal w@note \"over\""), "\n")
	for _, want := range []string{
		` state w@mode: set "day" (command by uid `,
		` socket w@day: inactive → starting (condition state w@mode)`,
		` socket w@day: starting → listening (`,
		` state w@link: set {"name":"eth0"} (`,
		` service w@many[eth1]: starting → active (`,
		` service w@many[eth0]: stopping → inactive (`,
		` state w@mode: removed "day" (command by uid `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the events have no %q:\n%s", want, got)
		}
	}
	type event struct {
		UnixMicros string `json:"unix_micros"`
		Unit       struct{ Kind, Name, Instance, From, To, Cause string }
	}
	var states []string
	for _, line := range documents.until(`"over"`) {
		var ev event
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if ev.UnixMicros == "" {
			t.Errorf("an event without its time: %s", line)
		}
		if ev.Unit.Kind == "service" && ev.Unit.Instance == "eth0" {
			states = append(states, ev.Unit.To)
		}
	}
	if diff := cmp.Diff([]string{"starting", "active", "stopping", "inactive"}, states); diff != "" {
		t.Errorf("states of an instance (-want +got):\n%s", diff)
	}
	others := slices.DeleteFunc(some.until(`"over"`), func(line string) bool { return strings.Contains(line, " signal w@note ") })
	if len(others) != 4 || !strings.Contains(others[3], "service w@many[eth0]: stopping → inactive") {
		t.Errorf("the events of one instance are %q, want 4", others)
	}
}

// A watcher that does not read loses events and is told how many; nobody else waits
// for it.
func TestEventsOfASlowWatcher(t *testing.T) {
	t.Parallel()
	b := run(t, watched)
	stream, err := b.control.Watch(t.Context(), &controlv1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if !stream.Receive() {
		t.Fatal(stream.Err())
	}
	const many, pause = 700, 50
	some, full, end := make(chan struct{}), make(chan struct{}), make(chan struct{})
	emitted := make(chan error, 1)
	go func() { // the last ones tell what was lost before them
		for n := 0; ; n++ {
			text := fmt.Sprint(n)
			if n < many {
				text += " " + strings.Repeat("x", 12<<10) // more than buffers on the way have room for
			}
			if n < many && n%pause == pause-1 {
				select {
				case some <- struct{}{}:
				case <-t.Context().Done():
					return
				}
			}
			if n == many {
				close(full)
			}
			_, err := b.control.Emit(t.Context(), &controlv1.EmitRequest{Name: "w@note", Payload: &controlv1.Payload{Value: &controlv1.Payload_Text{Text: text}}})
			select {
			case <-end:
				emitted <- err
				return
			default:
				if err != nil {
					emitted <- err
					return
				}
			}
		}
	}()
	next, lost := 0, 0
	receive := func() {
		if !stream.Receive() {
			t.Fatalf("the stream ended before event %d: %v", next, stream.Err())
		}
		first, _, _ := strings.Cut(stream.Msg().GetSignal().GetPayload().GetText(), " ")
		missed := int(stream.Msg().GetLost())
		if first != strconv.Itoa(next+missed) {
			t.Fatalf("after event %d came %s, with %d lost", next-1, first, missed)
		}
		next, lost = next+missed+1, lost+missed
	}
	for emitting := true; emitting; {
		select {
		case <-some:
			receive() // the daemon gives up a watcher that takes nothing for ten seconds
		case <-full:
			emitting = false
		case err := <-emitted:
			t.Fatal(err)
		}
	}
	for next <= many || lost == 0 {
		receive()
	}
	close(end)
	if err := <-emitted; err != nil {
		t.Error(err)
	}
	if kept := 600; lost < many-kept { // what buffers on the way have room for
		t.Errorf("%d of %d events were lost: the daemon keeps too much for a watcher that does not read", lost, many)
	}
}

// What curl needs for the events is no more than for a file.
func TestEventsOverCurl(t *testing.T) {
	t.Parallel()
	b := run(t, watched)
	curl := exec.CommandContext(t.Context(), need(t, "curl"), "-sSN", "--unix-socket", b.file("run/control.sock"), "http://rindrun/events")
	out, err := curl.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := curl.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	if !in.Scan() || in.Text() != "{}" {
		t.Fatalf("the first line is %q, want {}", in.Text())
	}
	b.do("stop", "socket", "w@spare")
	var got []string
	for !slices.Contains(got, "inactive") && in.Scan() {
		var ev struct {
			Unit struct{ Name, To, Cause string } `json:"unit"`
		}
		if err := json.Unmarshal(in.Bytes(), &ev); err != nil {
			t.Fatalf("%s: %v", in.Text(), err)
		}
		if ev.Unit.Name == "w@spare" && strings.HasPrefix(ev.Unit.Cause, "command by uid ") {
			got = append(got, ev.Unit.To)
		}
	}
	if diff := cmp.Diff([]string{"stopping", "inactive"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	// It ends with the daemon, in order.
	b.stop(syscall.SIGTERM)
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	if err := curl.Wait(); err != nil {
		t.Errorf("curl: %v", err)
	}
}

// So many watches are allowed, and no more; one that has ended makes room.
func TestS137WatchesAreCounted(t *testing.T) {
	t.Parallel()
	b := run(t, watched)
	const most = 32
	var bodies []io.Closer
	defer func() {
		for _, body := range bodies {
			body.Close()
		}
	}()
	for range most {
		resp := b.get("/events")
		bodies = append(bodies, resp.Body)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("watch %d: %s", len(bodies), resp.Status)
		}
	}
	resp := b.get("/events")
	resp.Body.Close()
	if resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one more than %d: %s, want %d", most, resp.Status, http.StatusTooManyRequests)
	}
	bodies[0].Close()
	b.eventually("there is room again", func() bool {
		resp := b.get("/events")
		bodies = append(bodies, resp.Body)
		return resp.StatusCode == http.StatusOK
	})
	b.do("status")
}
