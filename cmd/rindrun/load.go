package main

import (
	"fmt"
	"io"
	"os"

	"github.com/rind-sockets/rind/plan"
)

// load reads a plan from a file or a pipe.
func load(path string) (*plan.Plan, error) {
	data, err := readFile(path, plan.MaxSize)
	if err != nil {
		return nil, err
	}
	p, err := plan.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return p, nil
}

// loadAgain reads a plan from a file while a daemon runs, which must not wait for
// whoever writes into a pipe.
func loadAgain(path string) (*plan.Plan, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("load %s: it is no regular file: name the file that rindc build wrote", path)
	}
	return load(path)
}

// readFile reads a file of at most limit bytes, and not much more of a larger
// one: a wrong argument must not cost the memory of the machine.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode()&os.ModeDevice != 0 {
		return nil, fmt.Errorf("load %s: it is a device: name the file that rindc build wrote", path)
	}
	tooLarge := fmt.Errorf("load %s: it has more than %d bytes, which no plan has: name the file that rindc build wrote", path, limit)
	if info.Size() > limit {
		return nil, tooLarge
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit { // a pipe, or it grows
		return nil, tooLarge
	}
	return data, nil
}
