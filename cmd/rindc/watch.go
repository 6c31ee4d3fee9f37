package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/compiler"
)

// watch checks whenever something changes, until it is interrupted. The error is
// that of the last check, which has been shown.
func (e env) watch(paths []string, o checkOptions) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(100) // this run is not short: see tuneMemory
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	w, err := newWatcher()
	if err != nil {
		return failed(err)
	}
	err = e.checkUntil(ctx, w, paths, o)
	return errors.Join(err, w.Close())
}

func (e env) checkUntil(ctx context.Context, w *watcher, paths []string, o checkOptions) error {
	var before *loader
	status := statusOK
	for {
		// A directory is watched before it is read, so that no change is missed.
		l := e.newLoader(o.reporting)
		l.visit = w.add
		l.load(paths)
		if err := w.forget(); err != nil {
			return failed(err)
		}
		changed := changes(before, l)
		if before == nil || len(changed) > 0 {
			if len(changed) > 0 {
				e.complain("\nrindc: checking again: %s\n", strings.Join(changed, ", "))
			}
			status = e.status(e.checkLoaded(l, o))
		}
		before = l
		if err := w.wait(ctx); err != nil {
			return failed(err)
		}
		if ctx.Err() != nil {
			return &statusError{status: status}
		}
	}
}

// maxChanges is how many changes are named.
const maxChanges = 5

// changes says what is different for the compiler; before is nil the first time.
func changes(before, now *loader) []string {
	if before == nil {
		return nil
	}
	var list []string
	paths := maps.Clone(before.files)
	maps.Copy(paths, now.files)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		old, was := before.files[path]
		in, is := now.files[path]
		switch {
		case !was:
			list = append(list, in.Name+" is new")
		case !is:
			list = append(list, old.Name+" is gone")
		case !same(old, in):
			list = append(list, in.Name+" has changed")
		}
	}
	if len(list) == 0 && !slices.Equal(messages(before.errs), messages(now.errs)) {
		list = append(list, "other files can be read")
	}
	if n := len(list) - maxChanges; n > 0 {
		list = append(list[:maxChanges], count(n, "more change"))
	}
	return list
}

func same(a, b compiler.Input) bool {
	return a.Name == b.Name && a.Group == b.Group && bytes.Equal(a.Text, b.Text)
}

func messages(errs []error) []string {
	list := make([]string, len(errs))
	for i, err := range errs {
		list[i] = err.Error()
	}
	return list
}
