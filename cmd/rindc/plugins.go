package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/plugins"
	"github.com/rind-sockets/rind/plugins/lock"
	"github.com/rind-sockets/rind/plugins/manifest"
)

const (
	// pluginPrefix begins the name of every plugin's executable.
	pluginPrefix = "rind-transport-"

	// manifestSuffix ends the name of every manifest.
	manifestSuffix = ".rindplugin.toml"
)

func (e env) pluginsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "plugins",
		Short: "lock the transport plugins that unit files use",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return errors.New("a command is missing: lock") },
	}
	c.AddCommand(e.lockCommand())
	return c
}

const aboutLock = `Writes what rindc must know of transport plugins, and which executables rindrun may
start, into a lock file. Commit it beside the unit files.

A PATH is the executable of a plugin, rind-transport-NAME, or a directory of them.
Its manifest NAME` + manifestSuffix + ` must be beside it. No plugin is run. What is
locked already stays; lock the builds for other platforms in the same or in later
calls:

    rindc plugins lock vsock-amd64/ vsock-arm64/

build and check use the lock file in the directory of the unit files, or beside that
directory, or the one of --lock.`

func (e env) lockCommand() *cobra.Command {
	var name string
	var check bool
	c := &cobra.Command{
		Use:   "lock PATH...",
		Short: "write the lock file of transport plugins",
		Long:  aboutLock,
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(_ *cobra.Command, paths []string) error { return e.lock(paths, name, check) },
	}
	c.Flags().StringVar(&name, "file", lock.FileName, "the lock `FILE` to write")
	c.Flags().BoolVar(&check, "check", false, "write nothing, and fail if the lock file would change")
	return c
}

func (e env) lock(paths []string, name string, check bool) error {
	f, err := readLock(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = &lock.File{}, nil
	}
	if err != nil {
		return failed(err)
	}
	var changes []string
	for _, path := range paths {
		found, err := findPlugins(path)
		if err != nil {
			return failed(err)
		}
		for _, executable := range found {
			change, err := lockPlugin(f, executable)
			if err != nil {
				return failed(err)
			}
			if change != "" {
				changes = append(changes, change)
			}
		}
	}
	for _, change := range changes {
		if err := e.print("%s: %s\n", name, change); err != nil {
			return err
		}
	}
	switch {
	case len(changes) == 0:
		return e.print("%s: nothing has changed\n", name)
	case check:
		return &statusError{status: statusInvalid}
	}
	if err := writeFile(name, f.Encode()); err != nil {
		return failed(err)
	}
	return nil
}

func readLock(name string) (*lock.File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := readAll(file, lock.MaxSize+1)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	f, err := lock.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// findPlugins returns the executables that a path means. In a directory, those
// of the transports of the release are left out: nothing has to lock them.
func findPlugins(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		name, ok := strings.CutPrefix(entry.Name(), pluginPrefix)
		builtin := slices.ContainsFunc(plugins.Builtin(), func(m *manifest.Manifest) bool { return m.Name == name })
		if ok && !builtin && !strings.HasSuffix(name, manifestSuffix) {
			found = append(found, filepath.Join(path, entry.Name()))
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no plugin is there: its file would be called %sNAME", path, pluginPrefix)
	}
	return found, nil
}

// lockPlugin locks one executable.
func lockPlugin(f *lock.File, executable string) (change string, err error) {
	name, ok := strings.CutPrefix(filepath.Base(executable), pluginPrefix)
	if !ok || name == "" {
		return "", fmt.Errorf("%s: the executable of a plugin is called %sNAME", executable, pluginPrefix)
	}
	text, err := readManifest(filepath.Dir(executable), name)
	if err != nil {
		return "", err
	}
	p, err := lock.NewPlugin(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", executable, err)
	}
	if p.Manifest.Name != name {
		return "", fmt.Errorf("%s: its manifest is that of the plugin %q: rename one of them", executable, p.Manifest.Name)
	}
	platform, sum, err := inspect(executable)
	if err != nil {
		return "", fmt.Errorf("%s: %w", executable, err)
	}
	return f.Add(p, platform, sum)
}

func readManifest(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name+manifestSuffix)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		executable := filepath.Join(dir, pluginPrefix+name)
		return nil, fmt.Errorf("%w: rindc runs no plugin; if you trust this one, write its manifest with `%s -rind-manifest >%s`", err, executable, path)
	}
	if err != nil {
		return nil, err
	}
	text, err := readAll(file, manifest.MaxSize+1)
	return text, errors.Join(err, file.Close())
}

// inspect returns the platform of an executable and its checksum.
func inspect(path string) (platform, sum string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	if err != nil {
		return "", "", err
	}
	if !info.Mode().IsRegular() {
		return "", "", errors.New("it is not a regular file")
	}
	if platform, err = platformOf(file); err != nil {
		return "", "", err
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(file, 0, info.Size())); err != nil {
		return "", "", err
	}
	return platform, lock.Sum(digest.Sum(nil)), nil
}

// machines are the names that Go has for what an ELF file is built for.
var machines = map[elf.Machine]map[elf.Data]string{
	elf.EM_X86_64:    {elf.ELFDATA2LSB: "amd64"},
	elf.EM_AARCH64:   {elf.ELFDATA2LSB: "arm64"},
	elf.EM_386:       {elf.ELFDATA2LSB: "386"},
	elf.EM_ARM:       {elf.ELFDATA2LSB: "arm"},
	elf.EM_RISCV:     {elf.ELFDATA2LSB: "riscv64"},
	elf.EM_LOONGARCH: {elf.ELFDATA2LSB: "loong64"},
	elf.EM_S390:      {elf.ELFDATA2MSB: "s390x"},
	elf.EM_PPC64:     {elf.ELFDATA2LSB: "ppc64le", elf.ELFDATA2MSB: "ppc64"},
}

func platformOf(r io.ReaderAt) (string, error) {
	start := make([]byte, 2)
	if _, err := r.ReadAt(start, 0); err == nil && bytes.Equal(start, []byte("#!")) {
		return lock.AnyPlatform, nil
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return "", fmt.Errorf("it is neither a program for Linux nor a script that begins with #!: %w", err)
	}
	arch, ok := machines[f.Machine][f.Data]
	if !ok {
		return "", fmt.Errorf("it is built for a machine that rindrun does not run on (%s)", f.Machine)
	}
	return "linux-" + arch, nil
}

// locks finds the lock files of the paths of unit files: in the directory of the
// units, else beside it. There must be one at most.
func (l *loader) locks(paths []string) (string, error) {
	var found, target string
	for _, p := range paths {
		dir := filepath.Dir(p)
		if p == "-" {
			dir = filepath.Dir(l.stdinName)
		} else if info, err := os.Stat(p); err == nil && info.IsDir() {
			dir = p
		}
		dir, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		for _, candidate := range []string{filepath.Join(dir, lock.FileName), filepath.Join(filepath.Dir(dir), lock.FileName)} {
			where, err := behind(candidate)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return "", err
			}
			if target != "" && target != where {
				return "", fmt.Errorf("there are two lock files, %s and %s: name one with --lock", found, candidate)
			}
			found, target = candidate, where
			break
		}
	}
	return found, nil
}

// loadLock reads the lock file, if there is one.
func (l *loader) loadLock(paths []string) {
	name := l.lock
	var err error
	if name == "" {
		if name, err = l.locks(paths); err == nil && name == "" {
			return
		}
	}
	var f *lock.File
	if err == nil {
		l.visiting(filepath.Dir(name))
		f, err = readLock(name)
	}
	if err != nil {
		l.errs = append(l.errs, err)
		return
	}
	l.plugins = f.Manifests()
}
