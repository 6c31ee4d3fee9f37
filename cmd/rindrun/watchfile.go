package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a file must be left alone before it is read: who writes it may
// do so in several steps.
const settle = 100 * time.Millisecond

// watchFile calls changed whenever a file has been written or replaced, until stop.
// The folder is watched, since a file that is renamed into its place is another one.
func watchFile(path string, changed func(), log *slog.Logger) (stop func(), err error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w (the limit is fs.inotify.max_user_instances)", path, err)
	}
	if err := w.Add(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("watch %s: %w", path, err), w.Close())
	}
	before, _ := os.Stat(path) // nil: anything is another one
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var quiet <-chan time.Time
		for {
			select {
			case _, open := <-w.Events:
				if !open {
					return
				}
				quiet = time.After(settle)
			case err, open := <-w.Errors:
				if !open {
					return
				}
				// An overflow says that something may have changed.
				log.Warn("watch the file of the plan", slog.Any("error", err))
				quiet = time.After(settle)
			case <-quiet:
				quiet = nil
				now, err := os.Stat(path)
				if err != nil || sameFile(before, now) {
					continue // gone for the moment, or something else in the folder
				}
				before = now
				changed()
			}
		}
	}()
	return func() {
		_ = w.Close()
		<-ended
	}, nil
}

// sameFile reports whether a file is what it was.
func sameFile(before, now os.FileInfo) bool {
	return before != nil && os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime())
}
