package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

func TestOneLine(t *testing.T) {
	tests := []struct {
		name, in, want string
	}{
		{"one", "open x: no such file", "open x: no such file"},
		{"some", "a\nb\n", "a; b"},
		{"many", "a\nb\nc\nd\ne", "a; b; c; and 2 more"},
		{"control characters", "a\x1b[2Jb\u009bc\u202ed", "a [2Jb c d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := oneLine(errors.New(tt.in)); got != tt.want {
				t.Errorf("oneLine(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestPayloadText(t *testing.T) {
	long := strings.Repeat("é", maxPayload+1)
	tests := []struct {
		name string
		in   *controlv1.Payload
		want string
	}{
		{"none", &controlv1.Payload{}, "set"},
		{"text", &controlv1.Payload{Value: &controlv1.Payload_Text{Text: "a\tb"}}, `"a\tb"`},
		{"bytes", &controlv1.Payload{Value: &controlv1.Payload_Data{Data: []byte{0, 1}}}, "2 bytes"},
		{"json", &controlv1.Payload{Value: &controlv1.Payload_Json{Json: `{"a":1}`}}, `{"a":1}`},
		{"long", &controlv1.Payload{Value: &controlv1.Payload_Json{Json: long}}, long[:2*maxPayload] + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := payloadText(tt.in); got != tt.want {
				t.Errorf("payloadText = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestJournalFormat(t *testing.T) {
	var out strings.Builder
	log, err := newLogger(&out, formatJournal, "debug")
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("fine", slog.String("level", "x"))
	log.Info("text with\nline end", slog.String("k", "v w"))
	log.Log(t.Context(), slog.LevelInfo+2, "notable")
	log.Warn("watch out")
	log.Error("broken")
	want := `<7>msg=fine level=x
<6>msg="text with\nline end" k="v w"
<6>msg=notable
<4>msg="watch out"
<3>msg=broken
`
	if got := out.String(); got != want {
		t.Errorf("the journal gets\n%swant\n%s", got, want)
	}
}

func TestIsJournal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(w.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, stream string
		want         bool
	}{
		{"no variable", "", false},
		{"the stream", fmt.Sprintf("%d:%d", st.Dev, st.Ino), true},
		{"inherited from somebody with another stream", fmt.Sprintf("%d:%d", st.Dev, st.Ino+1), false},
		{"nonsense", "journal", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := isJournal(tt.stream, w); got != tt.want {
				t.Errorf("isJournal(%q) = %v, want %v", tt.stream, got, tt.want)
			}
		})
	}
}

func TestNotifyReady(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	abstract := fmt.Sprintf("@rind-test-%d", os.Getpid())
	for _, name := range []string{path, abstract} {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := notify(name, "READY=1"); err != nil {
			t.Errorf("notify(%s): %v", name, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "READY=1" {
			t.Errorf("%s received %q, %v", name, buf[:n], err)
		}
	}
	if err := notify("", "READY=1"); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	for _, name := range []string{"relative", path + "-not-there"} {
		if err := notify(name, "READY=1"); err == nil {
			t.Errorf("notify(%s) succeeded", name)
		}
	}
}

func TestDefaultDirectories(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dirs := defaultPluginDirs()
	want := []string{filepath.Dir(exe), filepath.Join(filepath.Dir(exe), "../lib/rind/plugins"), "/usr/lib/rind/plugins"}
	if fmt.Sprint(dirs) != fmt.Sprint(want) {
		t.Errorf("plugin directories %v, want %v", dirs, want)
	}
	t.Setenv("RIND_TEST_LIST", ":/a::/b:")
	if got := envList("RIND_TEST_LIST", want); fmt.Sprint(got) != "[/a /b]" {
		t.Errorf("envList = %v, want [/a /b]", got)
	}
	if got := envList("RIND_TEST_NONE", want); len(got) != len(want) {
		t.Errorf("envList of a variable that is not set = %v", got)
	}
}

func TestDefaultStateDir(t *testing.T) {
	tests := []struct{ name, state, home, want string }{
		{"XDG_STATE_HOME", "/s", "/home/a", "/s/rind"},
		{"relative", "s", "/home/a", "/home/a/.local/state/rind"},
		{"home", "", "/home/a", "/home/a/.local/state/rind"},
		{"nothing", "", "", "/var/lib/rind"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", tt.state)
			t.Setenv("HOME", tt.home)
			if got := stateDirOf(1000); got != tt.want {
				t.Errorf("state directory %s, want %s", got, tt.want)
			}
			if got := stateDirOf(0); got != "/var/lib/rind" {
				t.Errorf("state directory of root %s, want /var/lib/rind", got)
			}
		})
	}
}
