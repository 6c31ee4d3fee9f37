package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The first signal ends the context with its name, each further one is a sign of
// impatience, and SIGHUP is neither. None of them waits for who hears of it.
func TestSignals(t *testing.T) {
	sig := notifySignals(t.Context())
	defer sig.stop()
	send := func(s syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	heard := func(what string, from <-chan struct{}) {
		t.Helper()
		select {
		case <-from:
		case <-time.After(patience):
			t.Fatalf("no %s", what)
		}
	}
	// One at a time: signals of one kind are one while they wait. Two of them are
	// more than can be passed on to nobody.
	send(syscall.SIGHUP)
	heard("request to reload", sig.reload)
	sig.reload <- struct{}{}
	send(syscall.SIGHUP)
	send(syscall.SIGTERM)
	heard("end", sig.ctx.Done())
	if got := context.Cause(sig.ctx).Error(); got != "signal terminated" {
		t.Errorf("the cause is %q, want the first signal that ends", got)
	}
	send(syscall.SIGINT)
	heard("impatience", sig.impatient)
}

// A file is read as far as it may be long, whatever its size is said to be.
func TestReadFile(t *testing.T) {
	const limit = 100_000
	dir := t.TempDir()
	regular := func(n int) string {
		path := filepath.Join(dir, fmt.Sprint(n))
		if err := os.WriteFile(path, make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := func(n int) string {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		written := make(chan struct{})
		go func() {
			defer close(written)
			_, _ = w.Write(make([]byte, n)) // the reader may have had enough
			w.Close()
		}()
		t.Cleanup(func() {
			r.Close()
			<-written
		})
		return fmt.Sprintf("/proc/self/fd/%d", r.Fd())
	}
	tests := []struct {
		name, path string
		want       int
		wantErr    string
	}{
		{name: "empty", path: regular(0)},
		{name: "as long as may be", path: regular(limit), want: limit},
		{name: "longer", path: regular(limit + 1), wantErr: "more than 100000 bytes"},
		{name: "pipe", path: pipe(limit), want: limit},
		{name: "pipe with more", path: pipe(10 * limit), wantErr: "more than 100000 bytes"},
		{name: "a size that the kernel does not tell", path: "/proc/self/stat", want: -1},
		{name: "device", path: "/dev/zero", wantErr: "load /dev/zero: it is a device: name the file that rindc build wrote"},
		{name: "directory", path: dir, wantErr: "is a directory"},
		{name: "nothing", path: dir + "/nothing", wantErr: "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := readFile(tt.path, limit)
			switch {
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("readFile: %v, want %q in it", err, tt.wantErr)
			case tt.wantErr == "" && err != nil:
				t.Error(err)
			case tt.want < 0 && len(data) == 0, tt.want >= 0 && len(data) != tt.want:
				t.Errorf("readFile returns %d bytes, want %d", len(data), tt.want)
			}
		})
	}
}

// The last word is said, but nobody has to hear it.
func TestLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard strings.Builder
		lastWord(&heard, errors.New("why"))
		if got, want := heard.String(), "rindrun: why\n"; got != want {
			t.Errorf("lastWord says %q, want %q", got, want)
		}
		r, w := io.Pipe()
		begin := time.Now()
		lastWord(w, errors.New("why"))
		if took := time.Since(begin); took != lastWordTimeout {
			t.Errorf("lastWord waits %v for nobody, want %v", took, lastWordTimeout)
		}
		r.Close()
	})
}
