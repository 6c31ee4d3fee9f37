package e2e

import (
	"strings"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// An owner that is started and takes nobody who waits pauses its socket; what
// waits is kept, an explicit start resumes the socket at once, and an owner that
// works then serves whoever has waited.
func TestS68OwnerThatTakesNobodyPausesItsSocket(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, `run = { exec = "/bin/sh", args = ["-c", "test -e $DIR/mended || exit 0; exec $PROBE -id app"] }`))
	answer := make(chan error, 1)
	go func() {
		got, err := b.ask("tcp", b.addr("web@http"), "echo hello")
		if err == nil && got != "hello" {
			t.Errorf("the one who waited got %q, want hello", got)
		}
		answer <- err
	}()
	st := b.awaitSocket("web@http", "paused")
	if !strings.Contains(st.GetReason(), "trigger-limit: the owner is started and takes nobody who waits; resumes in ") {
		t.Errorf("the socket is paused for the reason %q", st.GetReason())
	}
	b.write("mended", "")
	b.do("start", "socket", "web@http")
	if err := <-answer; err != nil {
		t.Errorf("the one who waited: %v", err)
	}
}

// An owner that serves one connection and exits may do so as often as it is
// needed.
func TestS68OwnerOfOneConnectionIsNotLimited(t *testing.T) {
	t.Parallel()
	const clients, requests = 4, 75
	b := run(t, oneOwner(`lifecycle = "owned"`, `run = { exec = "$PROBE", args = ["-id", "app", "-requests", "1"] }`))
	b.load(clients, requests, target{"tcp", b.addr("web@http")}).wait()
	st := b.await("the last owner has ended", func(st *controlv1.StatusResponse) bool {
		return b.serviceOf(st, "web@app").GetState() == "inactive"
	})
	if got := b.socketOf(st, "web@http"); got.GetActivations() != clients*requests || got.GetLastError() != "" {
		t.Errorf("%d activations, last error %q; want %d and none", got.GetActivations(), got.GetLastError(), clients*requests)
	}
}
