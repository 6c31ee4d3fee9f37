package compiler

import (
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/diag"
)

func TestMaxUnits(t *testing.T) {
	ds := &diag.List{}
	checkInputs(nil, nil, MaxUnits, ds)
	if ds.Errors() != 0 {
		t.Errorf("%d units: %v, want no error", MaxUnits, ds.All())
	}
	checkInputs(nil, nil, MaxUnits+1, ds)
	if ds.Errors() != 1 || ds.All()[0].Code != TooManyUnits || !strings.Contains(ds.All()[0].Message, "the files have 1000001 units") {
		t.Errorf("%d units: %v, want one %s", MaxUnits+1, ds.All(), TooManyUnits)
	}
}
