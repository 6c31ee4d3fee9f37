package pluginhost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxExecutable bounds what is copied into memory.
const maxExecutable = 512 << 20

// firstImage is the lowest descriptor of an image: fork and exec use the first
// ones.
const firstImage = 64

// program is what is executed: a file by its path, or a sealed image of it.
type program struct {
	path   string // of the file, also when image is executed
	image  int    // descriptor of the sealed copy; -1: there is none
	script bool   // image begins with #!
}

// close lets go of the image. A process that runs it does not need it.
func (p *program) close() {
	if p.image >= 0 {
		_ = unix.Close(p.image) // sealed long ago: nothing can be lost
	}
}

// exec returns the path to execute and the descriptors that the process gets. An
// interpreter opens its script by the path that was executed, so it needs the
// descriptor for that; a binary has none but files.
func (p *program) exec(files []uintptr) (path string, all []uintptr) {
	switch {
	case p.image < 0:
		return p.path, files
	case p.script:
		return "/proc/self/fd/" + strconv.Itoa(len(files)), append(slices.Clip(files), uintptr(p.image))
	}
	return "/proc/self/fd/" + strconv.Itoa(p.image), files
}

// seal returns an image of an executable that has the checksum, "sha256:" and hex.
// The file is read once, into memory that nobody can change any more
// (memfd_create(2), F_SEAL_WRITE): what was compared is what is executed, whatever
// happens to the file meanwhile. Another file is an [ErrChecksum].
func seal(ctx context.Context, path, checksum string) (program, error) {
	f, err := os.Open(path)
	if err != nil {
		return program{}, err
	}
	defer func() { _ = f.Close() }() // only read
	image, err := newImage()
	if err != nil {
		return program{}, fmt.Errorf("make an image of it: %w", err)
	}
	p := program{path: path, image: image}
	if err := p.fill(ctx, f, checksum); err != nil {
		p.close()
		return program{}, err
	}
	return p, nil
}

// newImage makes an empty image. The flag MFD_EXEC, without which the sysctl
// vm.memfd_noexec may forbid to execute it, is unknown before Linux 6.3.
func newImage() (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("rind-transport", flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("rind-transport", flags)
	}
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	image, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstImage)
	_ = unix.Close(fd) // the image is open in its duplicate
	if err != nil {
		return -1, fmt.Errorf("duplicate a descriptor: %w", err)
	}
	return image, nil
}

// fill copies the executable, compares the checksum and seals the copy.
func (p *program) fill(ctx context.Context, from io.Reader, checksum string) error {
	sum, size := sha256.New(), 0
	buf := make([]byte, 256<<10)
	for end := false; !end; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := io.ReadFull(from, buf)
		end = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return fmt.Errorf("read it: %w", err)
		}
		if size == 0 {
			p.script = bytes.HasPrefix(buf[:n], []byte("#!"))
		}
		if size += n; size > maxExecutable {
			return fmt.Errorf("it has more than %d bytes", maxExecutable)
		}
		sum.Write(buf[:n])
		if err := writeAll(p.image, buf[:n]); err != nil {
			return fmt.Errorf("make an image of it: %w", err)
		}
	}
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != checksum {
		return fmt.Errorf("%w: it has %s, want %s (install the plugin that the lock file names, or lock this one with rindc plugins lock and compile again)",
			ErrChecksum, got, clean(checksum, maxName))
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(p.image), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal the image of it: %w", err)
	}
	return nil
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		b = b[max(n, 0):]
	}
	return nil
}
