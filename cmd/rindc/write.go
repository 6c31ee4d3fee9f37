package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// writeFile replaces a file at once: a reader sees the old content or the new
// one, and after an error the old one is still there. The mode stays, and the
// owner as far as we may set it. Something that is not a regular file, such as a
// pipe, is written to as it is.
func writeFile(name string, data []byte) error {
	info, err := os.Stat(name)
	target := name
	switch {
	case err == nil && !info.Mode().IsRegular():
		return os.WriteFile(name, data, 0o666)
	case err == nil:
		// Behind its links: a rename would replace the link.
		if target, err = filepath.EvalSymlinks(name); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrNotExist):
		info = nil
	default:
		return err
	}
	temp := filepath.Join(filepath.Dir(target), fmt.Sprintf(".%s.%d.tmp", filepath.Base(target), os.Getpid()))
	if err := writeNew(temp, data, info); err != nil {
		return err
	}
	if err := os.Rename(temp, target); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// writeNew creates a file with the mode and owner of another, or with those that
// a new file has if that is nil, and leaves none behind after an error.
func writeNew(name string, data []byte, like fs.FileInfo) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if like != nil {
		err = dress(f, like)
	}
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync() // the rename must not become durable before the content
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// dress gives a file the owner and then the mode of another: a change of the
// owner clears bits of the mode.
func dress(f *os.File, like fs.FileInfo) error {
	if stat, ok := like.Sys().(*syscall.Stat_t); ok {
		// Only root may give files away; for others, the file becomes theirs.
		if err := f.Chown(int(stat.Uid), int(stat.Gid)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return f.Chmod(like.Mode())
}
