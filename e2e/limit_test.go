package e2e

import (
	"fmt"
	"strings"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// An owner that is started and takes nobody who waits pauses its socket, however
// slow it is about it; what waits is kept, an explicit start resumes the socket at
// once, and an owner that works then serves whoever has waited.
func TestS68S143OwnerThatTakesNobodyPausesItsSocket(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ kind, listen, options, network, addr string }{
		{"tcp", "$IP:7001", "", "tcp", "$IP:7001"},
		{"udp", "$IP:7001", "", "udp", "$IP:7001"},
		{"uds", "web.sock", "", "unix", "$DIR/sock/web.sock"},
		{"uds", "web.sock", `kind = "dgram"`, "unixgram", "$DIR/sock/web.sock"},
	} {
		t.Run(tt.network, func(t *testing.T) {
			t.Parallel()
			b := run(t, ownedIn(tt.kind, tt.listen, tt.options, `run = { exec = "/bin/sh", args = ["-c", "test -e $DIR/mended || exec sleep 0.02; exec $PROBE -id app"] }`))
			answer := make(chan error, 1)
			go func() {
				got, err := b.ask(tt.network, b.expand(tt.addr), "echo hello")
				if err == nil && got != "hello" {
					err = fmt.Errorf("got %q, want hello", got)
				}
				answer <- err
			}()
			st := b.awaitSocket("web@in", "paused")
			if !strings.Contains(st.GetReason(), "trigger-limit: the owner is started and takes nobody who waits; resumes in ") {
				t.Errorf("the socket is paused for the reason %q", st.GetReason())
			}
			b.write("mended", "")
			b.do("start", "socket", "web@in")
			if err := <-answer; err != nil {
				t.Errorf("the one who waited: %v", err)
			}
		})
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
