package listen

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Link is a symbolic link to the node of a unix socket. The number of a link that
// somebody removed may be that of the next one, so where it leads counts as well.
type Link struct {
	Path     string
	Target   string
	Dev, Ino uint64
}

// linksOf checks that the links of the option symlinks lead to the node.
func linksOf(node string, w Want) ([]Link, error) {
	text, ok := w.Options["symlinks"]
	if !ok || node == "" {
		return nil, nil
	}
	var paths []string
	if err := json.Unmarshal([]byte(text), &paths); err != nil {
		return nil, fmt.Errorf("option symlinks = %q: want a JSON array of paths", text)
	}
	links := make([]Link, 0, len(paths))
	for _, path := range paths {
		target, err := os.Readlink(path)
		if err != nil {
			return nil, mismatch("option symlinks: the plugin made no link at %s: %v", path, err)
		}
		if target != node {
			return nil, mismatch("option symlinks: the link at %s leads to %s, want %s", path, target, node)
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return nil, fmt.Errorf("option symlinks: look at %s: %w", path, err)
		}
		links = append(links, Link{Path: path, Target: node, Dev: st.Dev, Ino: st.Ino})
	}
	return links, nil
}

// LinksTo returns those links of the option symlinks that lead to a node, whoever
// made them.
func LinksTo(node string, options map[string]string) []Link {
	var paths []string
	if err := json.Unmarshal([]byte(options["symlinks"]), &paths); err != nil {
		return nil // not given
	}
	var links []Link
	for _, path := range paths {
		var st unix.Stat_t
		if target, err := os.Readlink(path); err != nil || target != node || unix.Lstat(path, &st) != nil {
			continue
		}
		links = append(links, Link{Path: path, Target: node, Dev: st.Dev, Ino: st.Ino})
	}
	return links
}

// Remove removes what a verified socket has in the file system: its links and its
// node, as far as they are still the same; see [RemoveNode].
func (f *Facts) Remove() error {
	var errs []error
	for _, l := range f.Links {
		if target, err := os.Readlink(l.Path); err == nil && target != l.Target {
			errs = append(errs, fmt.Errorf("remove %s: it leads to %s: %w, left alone", l.Path, target, ErrForeignNode))
			continue
		}
		errs = append(errs, removeFile(l.Path, unix.S_IFLNK, l.Dev, l.Ino))
	}
	if f.Path != "" {
		errs = append(errs, RemoveNode(f.Path, f.Dev, f.Ino))
	}
	return errors.Join(errs...)
}

// removeFile removes what is at path if it has this type, device and inode number.
func removeFile(path string, kind uint32, dev, ino uint64) error {
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: open its directory: %w", path, err)
	}
	defer func() { _ = unix.Close(dir) }() // O_PATH: nothing can be lost
	base := filepath.Base(path)
	var st unix.Stat_t
	err = unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != kind || st.Dev != dev || st.Ino != ino {
		return fmt.Errorf("remove %s: %w, left alone", path, ErrForeignNode)
	}
	if err := unix.Unlinkat(dir, base, 0); err != nil && !absent(err) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}
