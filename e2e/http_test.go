package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// get asks the control socket for a page, over a connection of its own.
func (b *bed) get(path string) *http.Response {
	b.t.Helper()
	var d net.Dialer
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", b.file("run/control.sock"))
		},
	}}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "http://rindrun"+path, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		b.t.Fatalf("GET %s: %v", path, err)
	}
	return resp
}

// eventually waits until something is so.
func (b *bed) eventually(what string, ok func() bool) {
	b.t.Helper()
	waitUntil(b.t, what, ok)
}

// logs waits until the log of the daemon, from an offset on, has all these texts: a line is
// read here a moment after it was written.
func (b *bed) logs(from int, want ...string) {
	b.t.Helper()
	b.eventually(fmt.Sprintf("the log has %q", want), func() bool {
		text := b.log.String()[from:]
		return !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(text, w) })
	})
}

func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}
