package proc

import (
	"errors"
	"os/exec"
	"testing"
)

// The cost of a start until the program runs, and of its end: compare the ways
// with each other and with os/exec, which sets nothing of the protocol.
func BenchmarkStart(b *testing.B) {
	for _, w := range ways {
		b.Run(w.name, func(b *testing.B) {
			skipIfNoClone(b, w)
			for b.Loop() {
				p, err := w.start(&Spec{
					Exec: "/bin/true", Env: []string{"PATH=/bin"}, Files: []File{{FD: 2, Name: "s"}},
					Stdin: Null, Stdout: Null, Stderr: Null,
				})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := p.Wait(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := p.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("os-exec", func(b *testing.B) {
		for b.Loop() {
			if err := exec.CommandContext(b.Context(), "/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The price of a control group: its folder is made before the start and removed
// after the end.
func BenchmarkStartInGroup(b *testing.B) {
	groups, err := OpenCgroups()
	if err != nil {
		b.Skip(err)
	}
	for _, w := range ways {
		b.Run(w.name, func(b *testing.B) {
			skipIfNoClone(b, w)
			for b.Loop() {
				if err := runInGroup(b, w, groups); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	if err := groups.Close(); err != nil {
		b.Error(err)
	}
}

func runInGroup(b *testing.B, w way, groups *Cgroups) error {
	b.Helper()
	g, err := groups.New("bench")
	if err != nil {
		return err
	}
	p, err := w.start(&Spec{
		Exec: "/bin/true", Env: []string{"PATH=/bin"}, Files: []File{{FD: 2, Name: "s"}}, Cgroup: g,
		Stdin: Null, Stdout: Null, Stderr: Null,
	})
	if err != nil {
		return errors.Join(err, g.Remove())
	}
	_, err = p.Wait(b.Context())
	return errors.Join(err, g.Wait(b.Context()), p.Close(), g.Remove())
}

func skipIfNoClone(b *testing.B, w way) {
	b.Helper()
	if w.name == "clone" {
		skipWithoutClone(b)
	}
}
