package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/scenario"
	"github.com/rind-sockets/rind/plugins/lock"
	"github.com/rind-sockets/rind/plugins/manifest"
)

// extension is what the name of a unit file ends in.
const extension = ".toml"

// stdinGroup is the group of the units that come from standard input.
const stdinGroup = "stdin"

// maxRead is how much of a file is read: one byte more than the compiler takes,
// which says so.
const maxRead = 16<<20 + 1

// loader finds and reads unit files. It goes on after an error, so that one
// unreadable file does not hide what is wrong with the others.
type loader struct {
	stdin     io.Reader
	stdinName string // of the file whose content is on standard input, if known

	// visit, if set, gets every directory that has a part in what is read,
	// before it is looked at.
	visit func(dir string)

	// scenarios, if set, gets every scenario file beside the unit files, with the
	// group of a unit file of that name.
	scenarios func(name, group string)

	lock    string               // name of the lock file; empty: it is looked for
	noLock  bool                 // no plugin matters
	plugins []*manifest.Manifest // that are locked

	files  map[string]compiler.Input // by the path behind all links
	unread []string                  // groups for compiler.Options
	size   int                       // of what was read
	errs   []error
}

// inputs returns what was read.
func (l *loader) inputs() []compiler.Input {
	out := make([]compiler.Input, 0, len(l.files))
	for _, in := range l.files {
		out = append(out, in)
	}
	return out
}

func (l *loader) load(paths []string) {
	l.files = map[string]compiler.Input{}
	if slices.Contains(paths, compiler.Stdin) {
		l.readStdin() // first: it stands for a file that another path may lead to
	}
	for _, p := range paths {
		if p == compiler.Stdin {
			continue
		}
		l.visiting(filepath.Dir(p))
		info, err := os.Stat(p)
		switch {
		case err != nil:
			l.fail(err, "/") // it may have been a directory of any groups
		case info.IsDir():
			w := walk{loader: l, seen: map[string]bool{}}
			w.dir(filepath.Clean(p), "")
		default:
			l.read(filepath.Clean(p), groupOf(filepath.Base(p)))
			l.beside(filepath.Clean(p))
		}
	}
	if !l.noLock {
		l.loadLock(paths)
	}
	slices.SortFunc(l.errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
}

func (l *loader) visiting(dir string) {
	if l.visit != nil {
		l.visit(dir)
	}
}

// beside finds the scenario file that goes with a unit file.
func (l *loader) beside(name string) {
	own := groupOf(name) + scenario.Extension
	if _, err := os.Stat(own); err == nil && l.scenarios != nil {
		l.scenarios(own, filepath.Base(groupOf(name)))
	}
}

func groupOf(file string) string { return strings.TrimSuffix(file, extension) }

// fail notes an error and the groups that are missing by it.
func (l *loader) fail(err error, group string) {
	l.errs = append(l.errs, err)
	l.unread = append(l.unread, group)
}

func (l *loader) readStdin() {
	in, target := compiler.Input{Name: compiler.Stdin, Group: stdinGroup}, compiler.Stdin
	var err error
	if l.stdinName != "" {
		in.Name, in.Group = filepath.ToSlash(filepath.Clean(l.stdinName)), groupOf(filepath.Base(l.stdinName))
		if target, err = behind(l.stdinName); errors.Is(err, fs.ErrNotExist) {
			target, err = filepath.Abs(l.stdinName) // it has not been saved yet
		}
	}
	if err == nil {
		in.Text, err = readAll(l.stdin, maxRead)
	}
	if err != nil {
		l.fail(fmt.Errorf("read standard input: %w", err), in.Group)
		return
	}
	l.files[target] = in
}

// read reads a unit file. One that is reached by several paths is compiled once:
// in the longest group, which is that of the outermost directory that was named.
func (l *loader) read(name, group string) {
	target, err := behind(name)
	if err != nil {
		l.fail(err, group)
		return
	}
	l.readTarget(name, group, target)
}

// readTarget is read for a file whose path behind all links is known.
func (l *loader) readTarget(name, group, target string) {
	in := compiler.Input{Name: filepath.ToSlash(name), Group: group}
	if other, done := l.files[target]; done {
		in.Text = other.Text
		if order(in, other) < 0 {
			l.files[target] = in
		}
		return
	}
	l.visiting(filepath.Dir(target))
	var err error
	if in.Text, err = readFile(name); err != nil {
		l.fail(err, group)
		return
	}
	l.files[target] = in
	if l.size += len(in.Text); l.size >= muchText {
		useHugePages()
	}
}

// behind returns the absolute path behind all links of name.
func behind(name string) (string, error) {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(target)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Size() < maxRead {
		text.Grow(int(info.Size()) + bytes.MinRead) // then it is read at once
	}
	_, err = text.ReadFrom(io.LimitReader(f, maxRead))
	return text.Bytes(), errors.Join(err, f.Close())
}

// order sorts the paths of one file so that the first is the one to use. It does
// not depend on the order of the arguments.
func order(a, b compiler.Input) int {
	return cmp.Or(cmp.Compare(len(b.Group), len(a.Group)), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name))
}

func readAll(r io.Reader, most int64) ([]byte, error) { return io.ReadAll(io.LimitReader(r, most)) }

// walk reads the unit files below one units root.
type walk struct {
	*loader

	seen map[string]bool // directories, by the path behind all links
}

// dir reads a directory whose groups start with prefix, which is empty or ends
// in a slash. Hidden files and directories are left out: they belong to editors
// and version control.
func (w *walk) dir(name, prefix string) {
	target, err := behind(name)
	if err != nil {
		w.fail(err, cmp.Or(prefix, "/"))
		return
	}
	if w.seen[target] {
		return // a link back to it, or a second one
	}
	w.seen[target] = true
	w.visiting(target)
	entries, err := os.ReadDir(name) // sorted by name
	if err != nil {
		w.fail(err, cmp.Or(prefix, "/"))
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			w.entry(filepath.Join(name, e.Name()), path.Join(prefix, e.Name()), filepath.Join(target, e.Name()), e)
		}
	}
}

// entry reads what is in a directory. below is its path below the units root, and
// target that behind all links, unless it is one itself.
func (w *walk) entry(name, below, target string, e fs.DirEntry) {
	isUnit := strings.HasSuffix(name, extension) && e.Name() != lock.FileName
	mode := e.Type()
	if mode&fs.ModeSymlink != 0 {
		info, err := os.Stat(name)
		if err != nil {
			// A dangling link matters only where a unit file should be.
			if isUnit || !errors.Is(err, fs.ErrNotExist) {
				w.fail(err, groupOf(below))
			}
			return
		}
		mode = info.Mode().Type()
	}
	switch {
	case mode.IsDir():
		w.dir(name, below+"/")
	case w.scenarios != nil && mode.IsRegular() && strings.HasSuffix(name, scenario.Extension):
		w.scenarios(name, strings.TrimSuffix(below, scenario.Extension))
	case !isUnit:
	case mode.IsRegular() && e.Type().IsRegular():
		w.readTarget(name, groupOf(below), target)
	case mode.IsRegular():
		w.read(name, groupOf(below))
	default:
		w.fail(fmt.Errorf("read %s: not a regular file", name), groupOf(below))
	}
}
