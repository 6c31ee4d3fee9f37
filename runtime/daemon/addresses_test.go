package daemon

import (
	"encoding/binary"
	"log/slog"
	"testing"

	"golang.org/x/sys/unix"
)

// message is one of rtnetlink(7), with a body of that many bytes.
func message(kind uint16, body int) []byte {
	text := make([]byte, unix.SizeofNlMsghdr+(body+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1))
	binary.NativeEndian.PutUint32(text, uint32(unix.SizeofNlMsghdr+body))
	binary.NativeEndian.PutUint16(text[4:], kind)
	return text
}

func TestAppears(t *testing.T) {
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	short := message(unix.RTM_DELADDR, 8)
	binary.NativeEndian.PutUint32(short, 3) // less than its own header
	tests := []struct {
		name string
		text []byte
		want bool
	}{
		{"nothing", nil, false},
		{"half a header", message(unix.RTM_NEWADDR, 0)[:7], false},
		{"an address", message(unix.RTM_NEWADDR, 8), true},
		{"an interface", message(unix.RTM_NEWLINK, 0), true},
		{"an address goes", message(unix.RTM_DELADDR, 8), false},
		{"one goes, one comes", join(message(unix.RTM_DELADDR, 5), message(unix.RTM_NEWADDR, 8)), true},
		{"a length that is a lie", join(short, message(unix.RTM_NEWADDR, 8)), false},
		{"cut off", join(message(unix.RTM_DELADDR, 64)[:40], message(unix.RTM_NEWADDR, 8)), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := appears(tt.text); got != tt.want {
				t.Errorf("appears = %v, want %v", got, tt.want)
			}
		})
	}
}

// What changes while a socket is being opened is not missed.
func TestS148ChangesDuringAnAttempt(t *testing.T) {
	told := 0
	a := &addresses{log: slog.New(slog.DiscardHandler), changed: func() { told++ }}
	before := a.changes.Load()
	a.missed(before)
	if told != 0 || !a.wanted.Load() {
		t.Errorf("told %d times without a change, wanted: %v", told, a.wanted.Load())
	}
	a.changes.Add(1)
	a.missed(before)
	if told != 1 {
		t.Errorf("told %d times of a change during the attempt, want once", told)
	}
}
