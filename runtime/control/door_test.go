package control

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/peer"
)

// What one user has cannot keep out another, and nobody can keep out root.
func TestAdmission(t *testing.T) {
	const own = 1000
	d := &door{own: own, inside: map[uint32]int{}}
	enter := func(uid uint32, n int) (admitted int) {
		for range n {
			if d.admit(uid) {
				admitted++
			}
		}
		return admitted
	}
	for _, tt := range []struct {
		name string
		uid  uint32
		n    int
		want int
	}{
		{"one stranger", 2000, 1000, maxStranger},
		{"another", 2001, 5, 5},
		{"whom the kernel does not tell", caller{err: errors.New("test")}.countedAs(), 1000, maxStranger},
		{"the daemon's user", own, 1000, maxOwn},
		{"root", 0, 1000, maxOwn},
	} {
		if got := enter(tt.uid, tt.n); got != tt.want {
			t.Errorf("%s: %d of %d connections are admitted, want %d", tt.name, got, tt.n, tt.want)
		}
	}
	for uid := range uint32(100) {
		enter(3000+uid, maxStranger)
	}
	if d.strangers != maxStrangers {
		t.Errorf("%d strangers are inside, want %d", d.strangers, maxStrangers)
	}
	for uid, n := range d.inside {
		for range n {
			d.leave(uid)
		}
	}
	if d.strangers != 0 || len(d.inside) != 0 {
		t.Errorf("%d strangers and %v are inside after everybody has left", d.strangers, d.inside)
	}
	if !d.admit(math.MaxUint32) || !d.admit(2000) || !d.admit(0) {
		t.Error("who has left is not admitted again")
	}
}

// Too many connections are turned away, and those that say nothing are closed in
// time by others' leaving: a connection that ends makes room for another.
func TestS131ConnectionsAreLimited(t *testing.T) {
	path, _ := serve(t)
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	first := dial()
	for range maxOwn - 1 {
		dial()
	}
	turned := dial()
	must(t, turned.SetReadDeadline(time.Now().Add(10*time.Second)))
	if _, err := turned.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("one connection too many: %v, want its end", err)
	}
	first.Close()
	// The daemon notices in its own time.
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := NewClient(path).Status(t.Context(), &controlv1.StatusRequest{})
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Status after a connection has ended: %v", err)
		}
	}
}

// asStranger makes the calls through h those of another user.
func asStranger(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := caller{cred: peer.Cred{UID: uint32(os.Getuid()) + 1}}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	})
}

// Others get "permission denied" and nothing changes.
func TestS120StrangersMayOnlyLook(t *testing.T) {
	p := testPlan()
	e := engine{flow.New(p, flow.Config{})}
	up := flow.SetState{State: "net@up", Value: mustJSON(t, `{"id":1}`)}
	e.e.Step(up)
	before := e.e.Snapshot()
	h := newHandler(Options{
		Plan: p, Engine: e,
		Facts: func() Facts { return Facts{} }, Shutdown: func(string) { t.Error("a stranger shut the daemon down") },
	}, 1, os.Getuid())
	s := &Server{}
	_, service := controlv1connect.NewControlServiceHandler(h, connect.WithReadMaxBytes(maxMessage))
	c := controlv1connect.NewControlServiceClient(inProcess{asStranger(s.bounded(service, h))}, "http://rindrun")
	ctx := t.Context()
	calls := map[string]func() error{
		"Start": func() error {
			_, err := c.Start(ctx, &controlv1.StartRequest{Names: []string{"app"}})
			return err
		},
		"Stop": func() error {
			_, err := c.Stop(ctx, &controlv1.StopRequest{Names: []string{"app"}})
			return err
		},
		"SetState": func() error {
			_, err := c.SetState(ctx, &controlv1.SetStateRequest{Name: "name", Payload: raw("x")})
			return err
		},
		"RemoveState": func() error {
			_, err := c.RemoveState(ctx, &controlv1.RemoveStateRequest{Name: "up"})
			return err
		},
		"Emit": func() error {
			_, err := c.Emit(ctx, &controlv1.EmitRequest{Name: "halt"})
			return err
		},
		"Emit what is not there": func() error {
			_, err := c.Emit(ctx, &controlv1.EmitRequest{Name: "nothing"})
			return err
		},
		"SetState of what is not there": func() error {
			_, err := c.SetState(ctx, &controlv1.SetStateRequest{Name: "nothing"})
			return err
		},
		"Shutdown": func() error {
			_, err := c.Shutdown(ctx, &controlv1.ShutdownRequest{})
			return err
		},
	}
	for name, call := range calls {
		if err := call(); connect.CodeOf(err) != connect.CodePermissionDenied || !strings.Contains(err.Error(), "only uid 0 and the daemon's user") {
			t.Errorf("%s: %v, want permission denied", name, err)
		}
	}
	if after := e.e.Snapshot(); len(after.States) != len(before.States) || after.Services[0].Starts != 0 {
		t.Errorf("something has changed: %+v", after)
	}
	st, err := c.Status(ctx, &controlv1.StatusRequest{})
	if err != nil || len(st.GetSockets()) != 3 || len(st.GetStates()) != 1 || len(st.GetStates()[0].GetBranches()) != 0 {
		t.Errorf("Status = %v, %v; want everything but the payload of the state", st, err)
	}
	if _, err := c.Emit(ctx, &controlv1.EmitRequest{Name: strings.Repeat("x", maxQuestion+1)}); err == nil {
		t.Error("a long message of a stranger was read")
	}
}

// inProcess calls a handler without a network.
type inProcess struct{ h http.Handler }

// Do implements connect.HTTPClient.
func (c inProcess) Do(r *http.Request) (*http.Response, error) {
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	c.h.ServeHTTP(rec, r)
	if r.Body != nil {
		r.Body.Close()
	}
	return &http.Response{
		StatusCode: rec.status, Header: rec.header, Request: r, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(rec.body.String())),
	}, nil
}

// recorder keeps a response.
type recorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// gRPC comes over the same socket.
func TestGRPC(t *testing.T) {
	path, _ := serve(t)
	var d net.Dialer
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	tr := &http.Transport{
		Protocols:   protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) },
	}
	defer tr.CloseIdleConnections()
	c := controlv1connect.NewControlServiceClient(&http.Client{Transport: tr}, "http://rindrun", connect.WithGRPC())
	st, err := c.Status(t.Context(), &controlv1.StatusRequest{})
	if err != nil || st.GetVersion() != "1.2.3" {
		t.Errorf("Status over gRPC = %v, %v", st, err)
	}
	if _, err := c.Emit(t.Context(), &controlv1.EmitRequest{Name: "halt"}); err != nil {
		t.Errorf("Emit over gRPC: %v", err)
	}
}

// Close does not wait for clients, whatever they are doing, and leaves what
// somebody else has put in the place of the socket.
func TestCloseWithClients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "control.sock")
	s, err := Listen(t.Context(), path, testOptions(func(string) {}))
	must(t, err)
	var conns []net.Conn
	for _, text := range []string{
		"", "POST / HTTP/1.1\r\nHost: x\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST /rind.control.v1.ControlService/Status HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
	} {
		c, err := net.Dial("unix", path)
		must(t, err)
		defer c.Close()
		_, err = io.WriteString(c, text)
		must(t, err)
		conns = append(conns, c)
	}
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte("mine"), 0o600))
	begin := time.Now()
	must(t, s.Close(t.Context()))
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("Close took %v", d)
	}
	for i, c := range conns {
		must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d is still open", i)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("what was put in the place of the socket: %q, %v", text, err)
	}
}

// A client that does not read its answer is not waited for.
func TestWriteHasALimit(t *testing.T) {
	dir := t.TempDir()
	d, err := openDoor(t.Context(), filepath.Join(dir, "s"))
	must(t, err)
	defer d.Close()
	client, err := net.Dial("unix", d.Addr().String())
	must(t, err)
	defer client.Close()
	nc, err := d.Accept()
	must(t, err)
	defer nc.Close()
	c, ok := nc.(*conn)
	if !ok || c.caller.cred.UID != uint32(os.Getuid()) {
		t.Fatalf("Accept returned %T of %v", nc, c.caller)
	}
	c.patience = time.Millisecond
	for {
		if _, err = c.Write(make([]byte, 1<<20)); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write to a client that does not read: %v, want a deadline", err)
	}
}
