// Package store keeps states on disk: one bbolt file in the state directory.
//
// A change counts when it is on disk. Everything that waits at one moment goes
// into one transaction, so that many changes cost one fsync. A change that could
// not be written is not forgotten: it goes into every later transaction until one
// succeeds. A file that is damaged is kept aside and never written to again.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Change is the new value of one branch of a state, or its end.
type Change struct {
	State  plan.Name
	Branch string      // identifies the branch among those of the state
	Value  *cond.Value // nil: it is gone
}

// Branch is one branch of a state as it is on disk.
type Branch struct {
	State  plan.Name
	Branch string
	Value  cond.Value
	Err    error // why the value cannot be read; it stays on disk
}

// Status is what an operator should know.
type Status struct {
	Path    string
	Damaged string // where a damaged file was kept aside at the start; "" is none
	Unsaved int    // branches whose last change is not on disk
	Trouble error  // why not; nil is no trouble
}

// Options configure a store. Dir is required.
type Options struct {
	Dir string       // made if it is missing
	Log *slog.Logger // nil discards
}

// ErrClosed refuses changes after Close.
var ErrClosed = errors.New("the store of states is closed")

// errFaulted says that the file cannot be used any more.
var errFaulted = errors.New("the file cannot be read any more: restart rindrun")

// The time between attempts to write what could not be written.
const (
	minRetry = time.Second
	maxRetry = 30 * time.Second
)

// Store is an open file of states. Its methods are safe for concurrent use.
type Store struct {
	path string
	log  *slog.Logger
	lock *dirLock
	db   *bbolt.DB
	file os.FileInfo // as it was opened
	size int64       // when it was looked at last; the writer's

	wake   chan struct{} // has a token while changes wait
	closed chan struct{} // closed by Close
	done   chan struct{} // closed when the writer has ended

	// faulted says that bbolt gave up in the middle of something: it may hold its
	// own locks for good, so it must not be called again.
	faulted atomic.Bool

	mu      sync.Mutex
	waiting []submission
	closing bool
	damaged string
	unsaved int
	trouble error
	end     error // of the writer, valid when done is closed
}

// submission are changes that are answered together.
type submission struct {
	changes []Change
	done    func(error)
	err     error // the answer
}

// Submit writes changes, all of them or none. It does not block. done, which must
// not either, is called once, on any goroutine, when they are on disk, or with the
// reason why they are not; then they are tried again until they are, without
// another call. Changes reach the disk, and done is called, in the order of the
// calls. What can never be saved, or comes after Close, is refused and forgotten.
func (s *Store) Submit(changes []Change, done func(error)) {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		done(ErrClosed)
		return
	}
	s.waiting = append(s.waiting, submission{changes: changes, done: done})
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Commit is Submit that waits for the answer.
func (s *Store) Commit(changes ...Change) error {
	answer := make(chan error, 1)
	s.Submit(changes, func(err error) { answer <- err })
	return <-answer
}

// Status returns what is to be known now.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Path: s.path, Damaged: s.damaged, Unsaved: s.unsaved, Trouble: s.trouble}
}

// Close writes what waits and closes the file. It is an error if something is
// not on disk then. A disk that hangs outlasts ctx, and takes a goroutine with
// it until it answers.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closing
	s.closing = true
	s.mu.Unlock()
	if first {
		close(s.closed)
	}
	select {
	case <-s.done:
		return s.end
	case <-ctx.Done():
		return fmt.Errorf("%s: still being written: %w", s.path, context.Cause(ctx))
	}
}

// write is the life of the writer.
func (s *Store) write() {
	defer close(s.done)
	w := &writer{store: s, retry: time.NewTimer(time.Hour)}
	w.retry.Stop()
	defer w.retry.Stop()
	for {
		select {
		case <-s.wake:
			w.round()
		case <-w.retry.C:
			w.round()
		case <-s.closed:
			w.round() // nothing is added any more
			s.end = errors.Join(w.leftOver(), s.closeFile(), s.lock.release())
			return
		}
	}
}

// take returns everything that waits.
func (s *Store) take() []submission {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.waiting
	s.waiting = nil
	return taken
}

// note keeps what Status shows and logs when it begins and ends.
func (s *Store) note(unsaved int, err error) {
	s.mu.Lock()
	before := s.trouble
	s.unsaved, s.trouble = unsaved, err
	s.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		s.log.Error("states cannot be saved", slog.String("file", s.path), slog.Any("error", err), slog.Int("unsaved", unsaved))
	case err == nil && before != nil:
		s.log.Info("states are saved again", slog.String("file", s.path))
	}
}

// writer is the state of the goroutine that writes.
type writer struct {
	store   *Store
	changes batch // what is not on disk
	retry   *time.Timer
	delay   time.Duration // before the next attempt; 0 after a success
	unsure  bool          // the last attempt may have written its meta page
	broken  error         // why the file will not be touched again
}

// round writes everything that waits, and everything that has not been written
// before, in one transaction, and answers.
func (w *writer) round() {
	taken := w.store.take()
	for i := range taken {
		taken[i].err = w.changes.add(taken[i].changes)
	}
	if len(w.changes.changes) > 0 {
		err := w.attempt()
		w.settle(err)
		for i := range taken {
			taken[i].err = cmp.Or(taken[i].err, err)
		}
	}
	for _, sub := range taken {
		sub.done(sub.err)
	}
}

// settle forgets what has been written, or says when it is tried again.
func (w *writer) settle(err error) {
	switch {
	case err == nil:
		w.changes = batch{}
		w.delay = 0
		w.retry.Stop()
	case w.broken == nil:
		w.delay = min(max(2*w.delay, minRetry), maxRetry)
		w.retry.Reset(w.delay)
	}
	w.store.note(len(w.changes.changes), err)
}

// leftOver says what is lost with the process.
func (w *writer) leftOver() error {
	if len(w.changes.changes) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d unsaved changes of states are lost: %w", w.store.path, len(w.changes.changes), w.store.Status().Trouble)
}

// closeFile closes the file, unless that would wait for ever.
func (s *Store) closeFile() error {
	if s.faulted.Load() {
		return nil
	}
	return s.db.Close()
}

// touch calls bbolt.
func (s *Store) touch(f func() error) error {
	if s.faulted.Load() {
		return errFaulted
	}
	err := guarded(f)
	if _, ok := errors.AsType[*fault](err); ok {
		s.faulted.Store(true)
		return fmt.Errorf("%w: %w", errFaulted, err)
	}
	return err
}

// attempt makes one transaction of all changes.
func (w *writer) attempt() error {
	if w.broken != nil {
		return w.broken
	}
	s := w.store
	if err := s.inspect(); err != nil {
		w.broken = err
		return err
	}
	if w.unsure {
		if err := reseal(s.path, s.db.Info().PageSize); err != nil {
			return err
		}
		w.unsure = false
	}
	err := s.touch(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error { return w.changes.apply(tx) })
	})
	if errors.Is(err, errFaulted) {
		w.broken = fmt.Errorf("%s: %w", s.path, err)
		return w.broken
	}
	if err != nil {
		w.unsure = true
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	return nil
}

// inspect checks that the file is the one that was opened and has not shrunk:
// what is mapped beyond the end of a file is a fault, and what is written to a
// file without a name is lost.
func (s *Store) inspect() error {
	info, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("somebody took the file away: %w: restart rindrun", err)
	}
	if !os.SameFile(info, s.file) {
		return fmt.Errorf("%s: somebody put another file in its place: restart rindrun", s.path)
	}
	if info.Size() < s.size {
		return fmt.Errorf("%s: somebody cut the file off: restart rindrun", s.path)
	}
	s.size = info.Size()
	return nil
}
