package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/plan"
)

// openPlan returns the plan that is in a file or on standard input, or compiles
// unit files to one.
func (e env) openPlan(paths []string) (*plan.Plan, error) {
	if slices.Contains(paths, compiler.Stdin) {
		text, err := io.ReadAll(io.LimitReader(e.stdin, plan.MaxSize+1))
		if err != nil {
			return nil, failed(fmt.Errorf("read standard input: %w", err))
		}
		if isPlan(text) {
			return readPlan(compiler.Stdin, text, paths)
		}
		e.stdin = bytes.NewReader(text)
	}
	for _, path := range paths {
		if text, err := planText(path); err != nil {
			return nil, failed(err)
		} else if text != nil {
			return readPlan(path, text, paths)
		}
	}
	res, err := e.compile(paths)
	return res.Plan, err
}

// isPlan reports whether a file is meant as a plan: no unit file begins with a
// brace.
func isPlan(text []byte) bool { return bytes.HasPrefix(text, []byte("{")) }

// planText returns the content of a file that is a plan, and nil for everything
// else: what is wrong with that, the loader says.
func planText(path string) (text []byte, err error) {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	start := make([]byte, 1)
	if _, err := io.ReadFull(f, start); err != nil || !isPlan(start) {
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("read %s: not a regular file, and no plan: name unit files, or - for one on standard input", path)
		}
		return nil, nil // an empty file is no plan
	}
	return io.ReadAll(io.MultiReader(bytes.NewReader(start), io.LimitReader(f, plan.MaxSize)))
}

func readPlan(name string, text []byte, paths []string) (*plan.Plan, error) {
	if len(paths) > 1 {
		return nil, fmt.Errorf("%s is a plan, which stands alone: remove the other paths", name)
	}
	p, err := plan.Read(text)
	if err != nil {
		return nil, failed(fmt.Errorf("%s: %w", name, err))
	}
	return p, nil
}
