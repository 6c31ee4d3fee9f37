package notify

import (
	"errors"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, text string
		want       Message
		wantErr    string
	}{
		{name: "nothing"},
		{name: "READY", text: "READY=1", want: Message{Ready: true}},
		{name: "a newline at the end", text: "READY=1\n", want: Message{Ready: true}},
		{name: "a NUL at the end", text: "READY=1\x00", want: Message{Ready: true}},
		{name: "a NUL within", text: "READY=1\x00\nSTOPPING=1", wantErr: ErrNUL.Error()},
		{name: "READY=0 says nothing", text: "READY=0"},
		{name: "RELOADING", text: "RELOADING=1\nMONOTONIC_USEC=123", want: Message{Reloading: true, Monotonic: 123 * time.Microsecond}},
		{name: "STOPPING", text: "STOPPING=1\nSTATUS=bye", want: Message{Stopping: true, Status: "bye"}},
		{name: "STATUS", text: "STATUS=50 % = done", want: Message{Status: "50 % = done"}},
		{name: "STATUS that would paint a terminal", text: "STATUS=\x1b[31mred\tü\xff", want: Message{Status: "�[31mred�ü�"}},
		{name: "ERRNO", text: "ERRNO=2", want: Message{Errno: syscall.ENOENT}},
		{name: "ERRNO that is none", text: "ERRNO=99999\nREADY=1", want: Message{Ready: true}, wantErr: "ERRNO=99999: not a number"},
		{name: "MAINPID", text: "MAINPID=4711", want: Message{MainPID: 4711}},
		{name: "MAINPID that is none", text: "MAINPID=-1", wantErr: "MAINPID=-1: not a number"},
		{name: "WATCHDOG", text: "WATCHDOG=1", want: Message{Alive: true}},
		{name: "WATCHDOG=trigger", text: "WATCHDOG=trigger", want: Message{Failing: true}},
		{name: "WATCHDOG_USEC", text: "WATCHDOG_USEC=2000000", want: Message{Watchdog: 2 * time.Second}},
		{name: "EXTEND_TIMEOUT_USEC", text: "EXTEND_TIMEOUT_USEC=1", want: Message{Extend: time.Microsecond}},
		{name: "for ever", text: "EXTEND_TIMEOUT_USEC=18446744073709551615", want: Message{Extend: math.MaxInt64}},
		{name: "too long for any", text: "EXTEND_TIMEOUT_USEC=18446744073709551616", wantErr: "EXTEND_TIMEOUT_USEC=18446744073709551616: not a number"},
		{name: "FDSTORE", text: "FDSTORE=1\nFDNAME=db\nFDPOLL=0", want: Message{Store: true, FDName: "db", NoPoll: true}},
		{name: "FDNAME with a colon", text: "FDSTORE=1\nFDNAME=a:b", want: Message{Store: true}, wantErr: "FDNAME=a:b: a descriptor name has printable ASCII characters without ':'"},
		{name: "FDNAME without", text: "FDNAME=", wantErr: "FDNAME=: a descriptor name has 1 to 255 characters"},
		{name: "FDSTOREREMOVE", text: "FDSTOREREMOVE=1\nFDNAME=db", want: Message{Remove: true, FDName: "db"}},
		{name: "BARRIER", text: "BARRIER=1", want: Message{Barrier: true}},
		{name: "NOTIFYACCESS", text: "NOTIFYACCESS=main", want: Message{Access: AccessMain}},
		{name: "NOTIFYACCESS all", text: "NOTIFYACCESS=all", want: Message{Access: AccessAll}},
		{name: "NOTIFYACCESS unknown", text: "NOTIFYACCESS=me", wantErr: "NOTIFYACCESS=me: want none, main, exec or all"},
		{name: "unknown keys and lines", text: "X_FOO=1\nnonsense\n=1\n\nREADY=1", want: Message{Ready: true}},
		{name: "the last of two counts", text: "STATUS=a\nSTATUS=b\nMAINPID=1\nMAINPID=2", want: Message{Status: "b", MainPID: 2}},
	}
	for _, tt := range tests {
		t.Run("S159 "+tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.text))
			msg := ""
			if err != nil {
				msg = err.Error()
			}
			if msg != tt.wantErr {
				t.Errorf("Parse(%q) error = %q, want %q", tt.text, msg, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func TestText(t *testing.T) {
	tests := []struct {
		name string
		in   Message
		want string
	}{
		{"nothing", Message{}, ""},
		{"status", Message{Status: "ready"}, "ready"},
		{"error", Message{Errno: syscall.EIO}, "EIO: input/output error"},
		{"both", Message{Status: "cannot read", Errno: syscall.EIO}, "cannot read (EIO: input/output error)"},
		{"an error without name", Message{Errno: 4000}, "errno 4000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.Text(); got != tt.want {
				t.Errorf("Text() = %q, want %q", got, tt.want)
			}
		})
	}
}

// Whatever a service says ends in a message that can be shown and counted with.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"READY=1\nSTATUS=ok\nMAINPID=1", "FDSTORE=1\nFDNAME=a\nFDPOLL=0", "WATCHDOG=trigger\nWATCHDOG_USEC=1",
		"EXTEND_TIMEOUT_USEC=18446744073709551615", "STATUS=\xff\x00", "NOTIFYACCESS=all\nBARRIER=1\nERRNO=5\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse(text)
		if errors.Is(err, ErrNUL) && m != (Message{}) {
			t.Errorf("a message that is dropped says %+v", m)
		}
		if m.MainPID < 0 || m.Watchdog < 0 || m.Extend < 0 || m.Monotonic < 0 {
			t.Errorf("a number became negative: %+v", m)
		}
		if len(m.FDName) > 255 || strings.Contains(m.FDName, ":") {
			t.Errorf("name %q", m.FDName)
		}
		shown := m.Text()
		if err != nil {
			shown += err.Error()
		}
		if !utf8.ValidString(m.Text()) || len(m.Status) > MaxMessage || strings.ContainsAny(shown, "\x00\x1b\r") {
			t.Errorf("not to be shown: %q", shown)
		}
	})
}
