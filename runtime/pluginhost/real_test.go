package pluginhost

import (
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTCPPlugin uses the plugin of the release.
func TestTCPPlugin(t *testing.T) {
	h := newHost(t, nil)
	build := exec.Command("go", "build", "-o", filepath.Join(h.dir, prefix+"tcp"), "github.com/rind-sockets/rind/plugins/tcp")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first := h.bindAll("tcp", tcpEndpoint(), Endpoint{ID: "b", Scheme: "tcp", Address: "[::1]:0"})
	for _, r := range first {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		if err := unix.Listen(r.FD, 8); err != nil {
			t.Error(err)
		}
	}
	taken := h.bindAll("tcp", Endpoint{ID: "c", Scheme: "tcp", Address: first[0].Bound})[0]
	var be *BindError
	if !errors.As(taken.Err, &be) || !errors.Is(taken.Err, unix.EADDRINUSE) || !be.Temporary() {
		t.Fatalf("bind of %s, which is taken: %v", first[0].Bound, taken.Err)
	}
	wantErr(t, taken.Err, "bind "+first[0].Bound+": address already in use")

	in := h.current("tcp")
	if err := unix.Kill(in.proc.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := h.bindAll("tcp", tcpEndpoint())[0]; r.Err != nil {
		t.Errorf("bind after the plugin was killed: %v", r.Err)
	}
	if s := h.status("tcp"); s.Launches != 2 || s.Violations != 0 {
		t.Errorf("status: %+v", s)
	}
}
