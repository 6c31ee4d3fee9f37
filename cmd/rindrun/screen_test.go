package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// A table has room for everything in a file, and gives way on a terminal: first the
// reasons get lines of their own, then minor columns are left out.
func TestNarrowTable(t *testing.T) {
	const long = "bind 127.0.0.1:80: permission denied"
	table := &table{
		header: []string{"SOCKET", "TYPE", "OWNER", "REASON"}, minor: []int{1, 2},
		rows: [][]cell{cells("web@http", "tcp", "web@app", long), cells("web@é", "uds", "-", "-")},
	}
	for _, tt := range []struct {
		name string
		on   screen
		want string
	}{
		{"a file", screen{}, `
SOCKET    TYPE  OWNER    REASON
web@http  tcp   web@app  bind 127.0.0.1:80: permission denied
web@é     uds   -        -
`},
		{"as wide as it is", screen{columns: 61}, `
SOCKET    TYPE  OWNER    REASON
web@http  tcp   web@app  bind 127.0.0.1:80: permission denied
web@é     uds   -        -
`},
		{"a column too narrow", screen{columns: 60}, `
SOCKET    TYPE  OWNER
web@http  tcp   web@app
    bind 127.0.0.1:80: permission denied
web@é     uds   -
`},
		{"without a minor one", screen{columns: 20}, `
SOCKET    OWNER
web@http  web@app
    bind 127.0.0.1:80: permission denied
web@é     -
`},
		{"without both", screen{columns: 16}, `
SOCKET
web@http
    bind 127.0.0.1:80: permission denied
web@é
`},
		{"in colours", screen{columns: 16, colour: true}, `
` + "\x1b[1mSOCKET\x1b[0m" + `
web@http
    bind 127.0.0.1:80: permission denied
web@é
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			table.print(&printer{w: &out}, tt.on)
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), out.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// What is drawn again fits the screen, and leaves what has scrolled away alone.
func TestRedraw(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
		rows             int
	}{
		{"as high as there is room", "a\nb\nc\n", "a\nb\nc\n", 4},
		{"higher", "a\nb\nc\nd\n", "a\nb\n… and more: the screen is not high enough\n", 4},
		{"a height that nobody knows", "a\nb\nc\n", "a\nb\nc\n", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := screen{redraws: true, rows: tt.rows}.redraw(tt.text)
			if want := "\x1b[H\x1b[2J\x1b[?7l" + tt.want + "\x1b[?7h"; got != want {
				t.Errorf("redraw(%q) = %q, want %q", tt.text, got, want)
			}
		})
	}
}

// Neither a file nor a pipe is a screen.
func TestNoScreen(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, s := range []screen{screenOf(f), screenOf(&strings.Builder{})} {
		if s != (screen{}) {
			t.Errorf("a file is the screen %+v", s)
		}
	}
}

// The first lines count what somebody has to look at, and nothing else.
func TestAttention(t *testing.T) {
	resp := &controlv1.StatusResponse{
		Version: "1", PlanDigest: "sha256:0",
		Sockets: []*controlv1.SocketStatus{{Name: "t@a", State: "failed"}, {Name: "t@b", State: "listening"}, {Name: "t@c", State: "paused"}},
		Services: []*controlv1.ServiceStatus{
			{Name: "t@a", State: "waiting", Reason: "waits for t@b"},
			{Name: "t@b", State: "waiting", Reason: "exited with status 1; restart in 1s", LastError: "exited with status 1"},
			{Name: "t@c", State: "waiting", LastError: "killed"},
		},
	}
	var out strings.Builder
	if err := show(&out, resp, look{now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if want := "attention: 1 socket failed, 1 socket paused, 2 services waiting for another attempt\n"; !strings.Contains(out.String(), "\n"+want) {
		t.Errorf("the status does not say %q:\n%s", want, out.String())
	}
}
