package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

const (
	fileName = "states.db"
	newName  = "states.db.new" // until it is complete
	lockName = "states.lock"

	fileMode = 0o600

	// dirMode is that of a StateDirectory= of systemd: who may look in has nothing
	// to see but names.
	dirMode = 0o755

	// lockPatience is how long others, like the bbolt command, may have the file
	// open.
	lockPatience = 500 * time.Millisecond

	// maxAside bounds the search for the name of a damaged file.
	maxAside = 1000
)

// SchemaError says that a newer program wrote the file. It has not been touched.
type SchemaError struct {
	Path      string
	Got, Want int
}

func (e *SchemaError) Error() string {
	return fmt.Sprintf("%s: its schema is %d and this rindrun knows %d: a newer one wrote it; run that one, or choose another directory", e.Path, e.Got, e.Want)
}

// fault is a panic of bbolt, or the signal of a page that could not be read.
type fault struct{ value any }

func (f *fault) Error() string { return fmt.Sprint(f.value) }

// guarded calls f and returns what it panics with as a *fault. bbolt panics when
// it finds what it has not written, and reads the file through memory, where an
// error of the disk is SIGBUS.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = &fault{r}
		}
	}()
	return f()
}

// Open opens the store in a directory, which it makes if need be. Only one process
// has it open at a time. A damaged file is renamed and reported in the log and in
// [Store.Status]; the store is empty then. Of a newer schema it is a *SchemaError.
func Open(o Options) (*Store, error) {
	s, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	return s, nil
}

func open(o Options) (*Store, error) {
	if err := makeDir(o.Dir); err != nil {
		return nil, err
	}
	lock, err := lockIn(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		path: filepath.Join(o.Dir, fileName), log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), lock: lock,
		wake: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{}),
	}
	if err := s.openFile(); err != nil {
		return nil, errors.Join(err, lock.release())
	}
	go s.write()
	return s, nil
}

// openFile opens a good file, after it has put a damaged one aside.
func (s *Store) openFile() error {
	err := s.check()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := s.create(); err != nil {
			return err
		}
	case errors.Is(err, errDamaged):
		if err := s.putAside(err); err != nil {
			return err
		}
		if err := s.create(); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	db, err := openBolt(s.path, false)
	if err != nil {
		return err
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s.db, s.file, s.size = db, info, info.Size()
	return nil
}

// check looks at the file, and changes nothing.
func (s *Store) check() error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	if err := errors.Join(s.checkFormat(f), f.Close()); err != nil {
		return err
	}
	return s.checkContent()
}

func (s *Store) checkFormat(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file: remove it", s.path)
	}
	torn, err := verify(f, info.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	if torn {
		s.log.Warn("the last change of states may be missing: it was cut off while it was written, or its meta page is damaged",
			slog.String("file", s.path))
	}
	return nil
}

// checkContent checks schema and records of a file that bbolt can read.
func (s *Store) checkContent() error {
	db, err := openBolt(s.path, true)
	if err != nil {
		return err
	}
	err = guarded(func() error { return db.View(s.checkRecords) })
	if f, ok := errors.AsType[*fault](err); ok {
		return fmt.Errorf("%s: %w", s.path, f) // not closed: bbolt may hold its own locks
	}
	return errors.Join(err, db.Close())
}

func (s *Store) checkRecords(tx *bbolt.Tx) error {
	info := tx.Bucket(infoBucket)
	if info == nil {
		return fmt.Errorf("%s: %w: it is a database of something else", s.path, errDamaged)
	}
	version, err := strconv.Atoi(string(info.Get(schemaKey)))
	switch {
	case err != nil || version < 1:
		return fmt.Errorf("%s: %w: its schema is %q", s.path, errDamaged, info.Get(schemaKey))
	case version > schema:
		return &SchemaError{Path: s.path, Got: version, Want: schema}
	case tx.Bucket(statesBucket) == nil:
		return fmt.Errorf("%s: %w: it has no bucket of states", s.path, errDamaged)
	}
	if _, err := load(tx); err != nil {
		return fmt.Errorf("%s: %w: %w", s.path, errDamaged, err)
	}
	return nil
}

func openBolt(path string, readOnly bool) (*bbolt.DB, error) {
	var db *bbolt.DB
	err := guarded(func() error {
		var err error
		db, err = bbolt.Open(path, fileMode, &bbolt.Options{
			Timeout: lockPatience, ReadOnly: readOnly, FreelistType: bbolt.FreelistMapType, NoStatistics: true,
		})
		return err
	})
	if errors.Is(err, bbolt.ErrTimeout) { //nolint:staticcheck // the name in bbolt/errors is the same value
		return nil, fmt.Errorf("%s is in use by another process%s: stop it first", path, holder(path))
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// putAside renames a damaged file.
func (s *Store) putAside(why error) error {
	base := s.path + ".damaged-" + time.Now().UTC().Format("20060102T150405Z")
	aside := base
	for i := 2; ; i++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		if i > maxAside {
			return fmt.Errorf("%s and %d more are there already: remove them", base, maxAside)
		}
		aside = base + "-" + strconv.Itoa(i)
	}
	if err := os.Rename(s.path, aside); err != nil {
		return fmt.Errorf("%w; it cannot be kept aside: %w", why, err)
	}
	if err := syncDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	s.damaged = aside
	s.log.Error("the file of states is damaged: kept aside, no state is restored",
		slog.String("file", s.path), slog.String("kept_as", aside), slog.Any("error", why))
	return nil
}

// create makes an empty file. It gets its name when it is complete, so that what
// has the name is a file of states, or was.
func (s *Store) create() error {
	dir := filepath.Dir(s.path)
	temporary := filepath.Join(dir, newName)
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openBolt(temporary, false)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		info, err := tx.CreateBucket(infoBucket)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket(statesBucket); err != nil {
			return err
		}
		return info.Put(schemaKey, []byte(strconv.Itoa(schema)))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("write %s: %w", temporary, err)
	}
	if err := os.Rename(temporary, s.path); err != nil {
		return err
	}
	return syncDir(dir)
}

// makeDir makes a directory that is not there, with its mode whatever the umask
// is, so that it is still there after a power cut.
func makeDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is no directory", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		return err
	}
	return syncDir(parent)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// reseal writes both meta pages once more. A transaction whose last fsync failed
// may be what bbolt sees, while the disk has the one before: pages that only the
// disk needs would be written over. The kernel counts a page as written after a
// failed fsync, so the pages themselves have to be written again (fsync(2)).
func reseal(path string, pageSize int) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	pages := make([]byte, 2*pageSize)
	_, err = f.ReadAt(pages, 0)
	if err == nil {
		_, err = f.WriteAt(pages, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
