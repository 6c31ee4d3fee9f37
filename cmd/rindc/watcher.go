package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// settle is how long changes are collected: editors and version control make
// several at once.
const settle = 50 * time.Millisecond

// watcher waits for changes in directories. It has one user at a time.
type watcher struct {
	notify *fsnotify.Watcher
	fresh  map[string]bool // by directory: added since the last forget
	err    error           // of add since then
}

func newWatcher() (*watcher, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch for changes: %w (the limit is fs.inotify.max_user_instances)", err)
	}
	return &watcher{notify: n, fresh: map[string]bool{}}, nil
}

// Close ends all watches.
func (w *watcher) Close() error { return w.notify.Close() }

// add watches a directory. What is wrong with the directory itself is for its
// reader to say: the one above, which tells when it changes, is watched as well.
func (w *watcher) add(dir string) {
	err := w.notify.Add(dir)
	switch {
	case err == nil:
		w.fresh[dir] = true
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.ENOMEM), errors.Is(err, fsnotify.ErrClosed):
		w.err = fmt.Errorf("watch %s: %w (the limit is fs.inotify.max_user_watches)", dir, err)
	}
}

// forget ends the watches of directories that were not added since the last
// forget, and returns what was wrong since then.
func (w *watcher) forget() error {
	for dir, fresh := range w.fresh {
		if fresh {
			w.fresh[dir] = false
			continue
		}
		delete(w.fresh, dir)
		// A directory that is gone has taken its watch with it.
		if err := w.notify.Remove(dir); err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) && !errors.Is(err, os.ErrNotExist) {
			w.err = errors.Join(w.err, err)
		}
	}
	err := w.err
	w.err = nil
	return err
}

// wait returns once something has changed and it is quiet again, or ctx ends.
// What the events say does not matter: the files are compared.
func (w *watcher) wait(ctx context.Context) error {
	var quiet <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-quiet:
			return nil
		case _, open := <-w.notify.Events:
			if !open {
				return fmt.Errorf("watch for changes: %w", fsnotify.ErrClosed)
			}
			quiet = time.After(settle)
		case err := <-w.notify.Errors:
			// An overflow says that something has changed, which is all that counts.
			if err != nil && !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch for changes: %w", err)
			}
			quiet = time.After(settle)
		}
	}
}
