package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/api/rind/control/v1/controlv1connect"
)

// clients numbers the addresses of datagram clients.
var clients atomic.Uint64

// result is how a client program ended.
type result struct {
	stdout, stderr string
	code           int
}

// rindrun runs a client of the daemon.
func (b *bed) rindrun(args ...string) result {
	b.t.Helper()
	cmd := b.command(b.t.Context(), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatalf("rindrun %v: %v", args, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// do runs a client that must succeed, and returns what it printed.
func (b *bed) do(args ...string) string {
	b.t.Helper()
	res := b.rindrun(args...)
	if res.code != 0 {
		b.t.Fatalf("rindrun %v: exit status %d\n%s%s", args, res.code, res.stdout, res.stderr)
	}
	return res.stdout
}

// refused runs a client that must fail and say why.
func (b *bed) refused(want string, args ...string) {
	b.t.Helper()
	res := b.rindrun(args...)
	if res.code == 0 || !strings.Contains(res.stdout+res.stderr, want) {
		b.t.Errorf("rindrun %v: exit status %d, output %q; want a failure that says %q",
			args, res.code, res.stdout+res.stderr, want)
	}
}

// status asks the daemon itself: a process for each look would be most of what
// the tests do.
func (b *bed) status() *controlv1.StatusResponse {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	st, err := b.control.Status(ctx, &controlv1.StatusRequest{})
	if err != nil {
		b.t.Fatalf("status: %v", err)
	}
	return st
}

// newControl returns a client of the control socket at path.
func newControl(path string) controlv1connect.ControlServiceClient {
	var d net.Dialer
	return controlv1connect.NewControlServiceClient(&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // a test counts the daemon's descriptors
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
	}}, "http://rindrun")
}

func (b *bed) socket(name string) *controlv1.SocketStatus {
	b.t.Helper()
	return b.socketOf(b.status(), name)
}

func (b *bed) socketOf(st *controlv1.StatusResponse, name string) *controlv1.SocketStatus {
	b.t.Helper()
	i := slices.IndexFunc(st.Sockets, func(s *controlv1.SocketStatus) bool { return s.Name == name })
	if i < 0 {
		b.t.Fatalf("the status has no socket %s", name)
	}
	return st.Sockets[i]
}

func (b *bed) service(name string) *controlv1.ServiceStatus {
	b.t.Helper()
	return b.serviceOf(b.status(), name)
}

func (b *bed) serviceOf(st *controlv1.StatusResponse, name string) *controlv1.ServiceStatus {
	b.t.Helper()
	i := slices.IndexFunc(st.Services, func(s *controlv1.ServiceStatus) bool { return s.Name == name })
	if i < 0 {
		b.t.Fatalf("the status has no service %s", name)
	}
	return st.Services[i]
}

// state returns the branches of a state as text, none if it is not set.
func stateOf(st *controlv1.StatusResponse, name string) []string {
	var branches []string
	for _, s := range st.States {
		if s.Name != name {
			continue
		}
		for _, p := range s.Branches {
			branches = append(branches, p.GetText()+p.GetJson()+string(p.GetData()))
		}
	}
	return branches
}

// await returns the first status that satisfies ok.
func (b *bed) await(what string, ok func(*controlv1.StatusResponse) bool) *controlv1.StatusResponse {
	b.t.Helper()
	late := time.After(patience)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		st := b.status()
		if ok(st) {
			return st
		}
		select {
		case <-look.C:
		case <-late:
			b.t.Fatalf("not so after %v: %s\nthe status: %v", patience, what, protojson.Format(st))
		}
	}
}

func (b *bed) awaitSocket(name, state string) *controlv1.SocketStatus {
	b.t.Helper()
	st := b.await("socket "+name+" is "+state, func(st *controlv1.StatusResponse) bool {
		return b.socketOf(st, name).State == state
	})
	return b.socketOf(st, name)
}

func (b *bed) awaitService(name, state string) *controlv1.ServiceStatus {
	b.t.Helper()
	st := b.await("service "+name+" is "+state, func(st *controlv1.StatusResponse) bool {
		return b.serviceOf(st, name).State == state
	})
	return b.serviceOf(st, name)
}

// checkSocket checks the state of a socket, now.
func (b *bed) checkSocket(name, want string) {
	b.t.Helper()
	if s := b.socket(name); s.State != want {
		b.t.Errorf("socket %s is %s (%s), want %s", name, s.State, s.Reason, want)
	}
}

// addr returns the address of a socket as the kernel says it.
func (b *bed) addr(name string) string {
	b.t.Helper()
	s := b.socket(name)
	if len(s.Addresses) != 1 {
		b.t.Fatalf("socket %s is %s with addresses %q, want one", name, s.State, s.Addresses)
	}
	return s.Addresses[0]
}

// nextReport returns the next report of the probe with that id; others are
// not for this test and are passed over.
func (b *bed) nextReport(id string) *Report {
	b.t.Helper()
	for {
		message, err := b.reports.next(b.exited)
		if err != nil {
			b.t.Fatalf("waiting for a report of %s: %v", id, err)
		}
		if r := decodeReport(b.t, message); r.ID == id {
			return r
		}
	}
}

// nextReports returns the next report of each of the probes, in whatever order they
// come.
func (b *bed) nextReports(ids ...string) map[string]*Report {
	b.t.Helper()
	got := map[string]*Report{}
	for len(got) < len(ids) {
		message, err := b.reports.next(b.exited)
		if err != nil {
			b.t.Fatalf("waiting for reports of %v: %v", ids, err)
		}
		if r := decodeReport(b.t, message); slices.Contains(ids, r.ID) {
			got[r.ID] = r
		}
	}
	return got
}

func decodeReport(t *testing.T, message []byte) *Report {
	t.Helper()
	r := &Report{}
	if err := json.Unmarshal(message, r); err != nil {
		t.Fatalf("report %q: %v", message, err)
	}
	return r
}

// noReport checks that no probe has reported so far.
func (b *bed) noReport() {
	b.t.Helper()
	select {
	case m := <-b.reports.got:
		b.t.Errorf("a process was started that should not have been: %s", m)
	default:
	}
}

// ask sends one request and returns the answer. Networks are those of
// [net.Dial].
func (b *bed) ask(network, addr, request string) (string, error) {
	conn, err := b.dial(network, addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request+"\n"); err != nil {
		return "", err
	}
	if network == "udp" || network == "unixgram" {
		buf := make([]byte, 256<<10)
		n, err := conn.Read(buf)
		return string(buf[:n]), err
	}
	answer, err := io.ReadAll(conn)
	return strings.TrimSuffix(string(answer), "\n"), err
}

// dial connects within the patience of a test; so must everything that is done
// with the connection.
func (b *bed) dial(network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	if network == "unixgram" {
		// An answer needs an address to go to.
		d.LocalAddr = &net.UnixAddr{Name: b.file("client" + strconv.FormatUint(clients.Add(1), 10)), Net: network}
	}
	conn, err := d.DialContext(b.t.Context(), network, addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// must is ask for a request that must be answered.
func (b *bed) must(network, addr, request string) string {
	b.t.Helper()
	answer, err := b.ask(network, addr, request)
	if err != nil || strings.HasPrefix(answer, "error:") {
		b.t.Fatalf("%s %s: request %q: answer %q, %v", network, addr, request, answer, err)
	}
	return answer
}

// processesOf returns the processes that have text in their command line or
// environment.
func processesOf(text string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		for _, file := range []string{"cmdline", "environ"} {
			// A process that ends meanwhile, or another user's, is none of ours.
			if data, err := os.ReadFile(filepath.Join("/proc", e.Name(), file)); err == nil && bytes.Contains(data, []byte(text)) {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

func describe(pid int) string {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return fmt.Sprintf("%d (ended meanwhile)", pid)
	}
	return fmt.Sprintf("%d (%s)", pid, bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '}))
}

// alive reports whether a process exists and has not ended.
func alive(t *testing.T, pid int) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
