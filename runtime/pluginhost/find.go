package pluginhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// prefix begins the file name of every plugin.
const prefix = "rind-transport-"

// maxName is the largest length of a transport's name: that of every name in a
// plan.
const maxName = 200

// Find returns the absolute path of the executable of a transport's plugin,
// without starting it. The error is a [*PluginError] and, when there is no such
// file, wraps [ErrNotFound].
func (h *Host) Find(transport string) (string, error) {
	if err := checkName(transport); err != nil {
		return "", &PluginError{Transport: transport, Err: err}
	}
	var unfit error // the first file that has the name and cannot be it
	for _, dir := range h.opts.Dirs {
		path, err := filepath.Abs(filepath.Join(dir, prefix+transport))
		if err != nil {
			return "", &PluginError{Transport: transport, Err: err}
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
		case !info.Mode().IsRegular():
			err = fmt.Errorf("%s is not a regular file", path)
		case info.Mode()&0o111 == 0:
			err = fmt.Errorf("%s is not executable (chmod +x, or install the plugin again)", path)
		default:
			return path, nil
		}
		if unfit == nil {
			unfit = err
		}
	}
	switch {
	case unfit != nil:
		return "", &PluginError{Transport: transport, Err: unfit}
	case len(h.opts.Dirs) == 0:
		return "", &PluginError{
			Transport: transport,
			Err:       fmt.Errorf("%w %s%s: no plugin directory is configured (set --plugin-dir)", ErrNotFound, prefix, transport),
		}
	}
	return "", &PluginError{
		Transport: transport,
		Err: fmt.Errorf("%w %s%s in %s (install the plugin or set --plugin-dir)",
			ErrNotFound, prefix, transport, strings.Join(h.opts.Dirs, ", ")),
	}
}

// checkName refuses a name that is not that of a transport. A name becomes part
// of paths: of one that is executed and of one that is removed with all it
// holds.
func checkName(name string) error {
	valid := name != "" && name != "." && name != ".." && len(name) <= maxName
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("_.-", r):
		default:
			valid = false
		}
	}
	if !valid {
		return fmt.Errorf("%q is not a transport name (1 to %d of A-Z a-z 0-9 _ . -)", clean(name, maxName), maxName)
	}
	return nil
}
