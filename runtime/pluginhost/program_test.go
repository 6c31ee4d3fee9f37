package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func sumOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// TestS171Checksum starts a plugin whose executable is the one that was asked for,
// and not another; a running one of another checksum makes way.
func TestS171Checksum(t *testing.T) {
	h := newHost(t, nil)
	h.install("good")
	path := filepath.Join(h.dir, prefix+"good")
	sum := sumOf(t, path)
	bind := func(checksum string) Result {
		r := h.Bind(t.Context(), Transport{Name: "good", Checksum: checksum}, []Endpoint{tcpEndpoint()})[0]
		if r.FD >= 0 {
			unix.Close(r.FD)
		}
		return r
	}
	if r := bind(sum); r.Err != nil {
		t.Fatal(r.Err)
	}
	if r := bind(""); r.Err != nil { // whoever asks for nothing gets what runs
		t.Fatal(r.Err)
	}
	if s := h.status("good"); s.Launches != 1 {
		t.Errorf("%d launches, want 1", s.Launches)
	}
	other := "sha256:" + strings.Repeat("0", 64)
	r := bind(other)
	if !errors.Is(r.Err, ErrChecksum) {
		t.Errorf("Bind = %v, want %v", r.Err, ErrChecksum)
	}
	wantErr(t, r.Err, path, sum, other, "rindc plugins lock")
	if pe := asPluginError(t, r.Err); pe.Temporary() {
		t.Error("the error is temporary")
	}
	if s := h.status("good"); s.Launches != 1 {
		t.Errorf("%d launches, want 1", s.Launches)
	}
	if r := bind(sum); r.Err != nil {
		t.Errorf("after that: %v", r.Err)
	}
}

// TestSeal checks that nobody can change an image.
func TestSeal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := seal(t.Context(), path, sumOf(t, path))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if !p.script {
		t.Error("the script is not taken for one")
	}
	if _, err := unix.Pwrite(p.image, []byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("write to the image: %v, want %v", err, unix.EPERM)
	}
	if err := unix.Ftruncate(p.image, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("truncate the image: %v, want %v", err, unix.EPERM)
	}
	got, files := p.exec([]uintptr{10, 11, 12, 13})
	if got != "/proc/self/fd/4" || len(files) != 5 || files[4] != uintptr(p.image) {
		t.Errorf("exec = %s, %v, want descriptor 4 to be the script", got, files)
	}
	if _, err := seal(t.Context(), filepath.Join(t.TempDir(), "missing"), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("seal of no file: %v", err)
	}
}

func TestRefusedOptions(t *testing.T) {
	h := newHost(t, nil)
	h.install("leaves-out")
	ep := tcpEndpoint()
	ep.Options, ep.Prefer = map[string]string{"mark": "1", "ttl": "2"}, []string{"mark"}
	r := h.Bind(t.Context(), Transport{Name: "leaves-out"}, []Endpoint{ep})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	unix.Close(r.FD)
	if len(r.Refused) != 1 || r.Refused[0] != (Refusal{"mark", "operation not permitted (needs CAP_NET_ADMIN)"}) {
		t.Errorf("refused: %+v", r.Refused)
	}
	ep.Prefer = []string{"ttl"}
	r = h.Bind(t.Context(), Transport{Name: "leaves-out"}, []Endpoint{ep})[0]
	if r.FD >= 0 {
		t.Error("a descriptor was returned")
	}
	wantErr(t, r.Err, `without the option "mark", which it may not leave out`)
}
