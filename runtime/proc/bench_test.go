package proc

import (
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

func skipIfNoClone(b *testing.B, w way) {
	b.Helper()
	if w.name == "clone" {
		skipWithoutClone(b)
	}
}
