package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

var loggedUnits = oneOwner(`lifecycle = "owned"`, `
run = { exec = "$PROBE", args = ["-id", "app"] }
on-start = [{ timer = "soon" }]

[[socket]]
name = "nowhere"
type = "uds"
listen = "/dev/null/nowhere.sock"

[[service]]
name = "flaky"
run = { exec = "/bin/sh", args = ["-c", "test -e $DIR/once && exec sleep 1000; echo >$DIR/once; exit 3"] }
restart = { max_retries = 3, backoff = "1ms" }

[[timer]]
name = "soon"
duration = "1ms"
finish = [{ state = "up" }]

[[state]]
name = "up"
payload = "none"

[[socket]]
name = "waits"
type = "uds"
listen = "waits.sock"
start-on = ["up"]
`)

// fields are the attributes of one line or entry of a log.
type fields map[string]string

// TestLogFormats runs a daemon for each place that its log can go to, and reads there what
// becomes of its units. Each change names its unit, both states and the cause.
func TestLogFormats(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		to   func(b *bed) (log func() []fields)
	}{
		{"text on a terminal", (*bed).logsToTerminal},
		{"json in a pipe", (*bed).logsToPipe},
		{"fields in the journal", (*bed).logsToJournal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, loggedUnits)
			log := tt.to(b)
			b.compile()
			b.start()
			b.live()
			b.stop(syscall.SIGTERM)
			changed := map[string][]string{} // by unit
			for _, f := range log() {
				if f["msg"] != "state changed" {
					continue
				}
				var of []string
				for _, kind := range []string{"socket", "service", "timer"} {
					if name, ok := f[kind]; ok {
						of = append(of, kind+" "+name)
					}
				}
				if len(of) != 1 || f["state"] == "" || f["from"] == "" || f["cause"] == "" {
					t.Errorf("a change of %q without a unit, a state or a cause: %v", of, f)
					continue
				}
				changed[of[0]] = append(changed[of[0]], f["from"]+" > "+f["state"]+": "+f["cause"])
			}
			if diff := cmp.Diff(liveChanges(), changed); diff != "" {
				t.Errorf("changes in the log (-want +got)\n%s", diff)
			}
		})
	}
}

// live lets the units of loggedUnits do what they can.
func (b *bed) live() {
	b.t.Helper()
	b.awaitSocket("web@nowhere", "failed")
	b.must("tcp", b.ip+":7001", "id")
	b.awaitSocket("web@waits", "listening") // by way of the timer
	b.must("tcp", b.ip+":7001", "exit 4")
	b.awaitSocket("web@http", "listening")
	b.do("pause", "http")
	b.do("resume", "http")
	b.do("start", "service", "flaky")
	b.await("flaky has been started again", func(st *controlv1.StatusResponse) bool {
		s := b.serviceOf(st, "web@flaky")
		return s.GetStarts() == 2 && s.GetState() == "active"
	})
	b.do("stop", "service", "flaky")
}

// liveChanges is what becomes of them until the daemon has ended, from the first to the last change.
func liveChanges() map[string][]string {
	command := "command by uid " + strconv.Itoa(os.Getuid())
	return map[string][]string{
		"service web@app": {
			"inactive > starting: access to socket web@http",
			"starting > active: access to socket web@http",
			"active > failed: exited with status 4",
		},
		"service web@flaky": {
			"inactive > starting: " + command,
			"starting > active: " + command,
			"active > waiting: exited with status 3; restart in 1ms",
			"waiting > starting: restart",
			"starting > active: restart",
			"active > stopping: " + command,
			"stopping > inactive: " + command,
		},
		"socket web@http": {
			"inactive > starting: plan start",
			"starting > listening: plan start",
			"listening > held: owner web@app starts",
			"held > listening: owner web@app is down: exited with status 4",
			"listening > paused: " + command,
			"paused > listening: " + command,
			"listening > stopping: shutdown",
			"stopping > inactive: shutdown",
		},
		"socket web@nowhere": {
			"inactive > starting: plan start",
			"starting > failed: socket web@nowhere: bind /dev/null/nowhere.sock: not a directory",
			"failed > inactive: shutdown",
		},
		"socket web@waits": {
			"inactive > starting: condition state web@up",
			"starting > listening: condition state web@up",
			"listening > stopping: shutdown",
			"stopping > inactive: shutdown",
		},
		"timer web@soon": {
			"inactive > running: trigger: on-start of service web@app",
			"running > inactive: finished",
		},
	}
}

// textField matches an attribute of a line of text, whose value may need quotes.
var textField = regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|\S*)`)

// logsToTerminal makes the standard error of the daemon a terminal.
func (b *bed) logsToTerminal() (log func() []fields) {
	b.t.Helper()
	master, held := openTerminal(b.t)
	b.within = []string{"/bin/sh", "-c", `exec "$@" 2>` + held.Name(), "sh"}

	text := make(chan string, 1)
	go func() {
		out, _ := io.ReadAll(master) // EIO is its end
		text <- string(out)
	}()
	return func() []fields {
		b.t.Helper()
		if err := held.Close(); err != nil {
			b.t.Fatal(err)
		}
		var log []fields
		for line := range strings.Lines(<-text) {
			if !strings.HasPrefix(line, "time=") || !strings.HasSuffix(line, "\r\n") {
				b.t.Errorf("no line of text: %q", line)
			}
			log = append(log, fields{})
			for _, m := range textField.FindAllStringSubmatch(strings.TrimSuffix(line, "\r\n"), -1) {
				value, err := strconv.Unquote(m[2])
				if err != nil {
					value = m[2] // which needs no quotes
				}
				log[len(log)-1][m[1]] = value
			}
		}
		return log
	}
}

// logsToPipe is what a daemon does in every other test.
func (b *bed) logsToPipe() (log func() []fields) {
	return func() []fields {
		b.t.Helper()
		var log []fields
		for line := range strings.Lines(b.log.String()) {
			var all map[string]any
			if err := json.Unmarshal([]byte(line), &all); err != nil {
				b.t.Errorf("no line of JSON: %q: %v", line, err)
			}
			log = append(log, fields{})
			for key, value := range all {
				log[len(log)-1][key] = fmt.Sprint(value)
			}
		}
		return log
	}
}

// logsToJournal makes the test the journal of the daemon, which sees a mount of its own
// where that is.
func (b *bed) logsToJournal() (log func() []fields) {
	b.t.Helper()
	needRoot(b.t)
	if _, err := os.Stat("/usr/bin/unshare"); err != nil {
		b.t.Skip("needs unshare")
	}
	entries := newInbox(b.t, b.file("socket"))
	b.within = []string{"/usr/bin/unshare", "--mount", "/bin/sh", "-ec", b.expand(`
mount -t tmpfs none /run
mkdir -p /run/systemd/journal
mount --bind $DIR /run/systemd/journal
exec 2>$DIR/stream
JOURNAL_STREAM=$(stat -c %d:%i $DIR/stream) exec "$@"`), "sh"}
	return func() []fields {
		b.t.Helper()
		// The daemon is gone, so this is the last entry.
		end, err := net.Dial("unixgram", b.file("socket"))
		if err != nil {
			b.t.Fatal(err)
		}
		defer end.Close()
		if _, err := io.WriteString(end, "MESSAGE=end\n"); err != nil {
			b.t.Fatal(err)
		}
		var log []fields
		for {
			entry, err := entries.next(nil)
			if err != nil {
				b.t.Fatal(err)
			}
			f := journalled(entry)
			if f["msg"] == "end" {
				break
			}
			log = append(log, f)
		}
		if text, err := os.ReadFile(b.file("stream")); err != nil || len(text) > 0 {
			b.t.Errorf("standard error has what the journal should have: %q, %v", text, err)
		}
		return log
	}
}

// journalled reads an entry in the journal's own format. A change is known by its
// MESSAGE_ID.
func journalled(entry []byte) fields {
	f := fields{}
	for len(entry) > 0 {
		var line []byte
		line, entry, _ = bytes.Cut(entry, []byte("\n"))
		name, value, found := bytes.Cut(line, []byte("="))
		if !found { // its length follows, and a value of several lines
			n := binary.LittleEndian.Uint64(entry)
			value, entry = entry[8:8+n], entry[8+n+1:]
		}
		switch name := string(name); name {
		case "MESSAGE_ID":
			if string(value) == "e870c3e1658242bc95f9e2ab0a342a24" {
				f["msg"] = "state changed"
			}
		case "MESSAGE":
			if f["msg"] == "" {
				f["msg"] = string(value)
			}
		default:
			f[strings.ToLower(strings.TrimPrefix(name, "RIND_"))] = string(value)
		}
	}
	return f
}
