package daemon

import (
	"context"
	"encoding/binary"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
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
	a := newAddresses(slog.New(slog.DiscardHandler), nil)
	before := a.changes.Load()
	a.missed(before)
	if len(a.news) != 0 || !a.wanted.Load() {
		t.Errorf("somebody is told of %d changes, and there was none; wanted: %v", len(a.news), a.wanted.Load())
	}
	a.changes.Add(1)
	a.missed(before)
	if len(a.news) != 1 {
		t.Error("nobody is told of a change during the attempt")
	}
}

// Somebody is told soon after a change, of a burst once, and of changes without end
// not too often; nothing that changed last goes untold.
func TestS148Pace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var told []time.Duration
		begin := time.Now()
		a := newAddresses(slog.New(slog.DiscardHandler), func() { told = append(told, time.Since(begin)) })
		ended := make(chan struct{})
		go func() {
			a.tell(ctx)
			close(ended)
		}()
		a.note()
		pause(ctx, 2*addressesSettle)
		a.wanted.Store(true)
		if len(told) != 0 {
			t.Errorf("told after %v, though no socket waits", told)
		}

		begin = time.Now()
		for range 100 { // for five seconds
			a.note()
			pause(ctx, addressesSettle)
		}
		pause(ctx, 10*addressesPause)
		want := []time.Duration{
			addressesSettle,
			addressesPause + 2*addressesSettle,
			2*addressesPause + 3*addressesSettle,
			3*addressesPause + 4*addressesSettle,
			4*addressesPause + 5*addressesSettle,
			5*addressesPause + 6*addressesSettle,
		}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("told after (-want +got):\n%s", diff)
		}
		cancel()
		<-ended
	})
}
