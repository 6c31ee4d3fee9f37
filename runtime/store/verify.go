package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// The format of a bbolt file, version 2: two meta pages, of which the valid one
// with the higher transaction counts; pages of a B+ tree; a list of free pages.
// Numbers have the byte order of the machine.
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2

	pageHeader  = 16 // id, flags, count, overflow
	elementSize = 16 // of an element of a branch or leaf page
	bucketSize  = 16 // root, sequence
	metaSize    = 64

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10

	bucketElement = 0x01

	minPageSize = 1 << 10
	maxPageSize = 16 << 20

	// manyFree says that the number of free pages is the first number of the list.
	manyFree = 0xFFFF

	// maxDepth bounds branch pages above a leaf, and buckets in buckets.
	maxDepth = 64

	// noFreelist is in place of the page of the list if there is none.
	noFreelist = ^uint64(0)
)

// errDamaged says that a file is not what this program left there.
var errDamaged = errors.New("damaged")

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// verify checks that bbolt can read a file: it trusts every number that it finds,
// maps the file, and dies of what it does not find there. An error that is not
// errDamaged is one of the system's. Torn says that one of the meta pages is not
// valid, as after a power failure within a transaction.
func verify(f io.ReaderAt, size int64) (torn bool, err error) {
	v := &verifier{file: f, size: size, used: map[uint64]bool{0: true, 1: true}}
	m, torn, err := v.meta()
	if err != nil {
		return false, err
	}
	v.pageSize, v.pages = m.pageSize, m.pages
	if m.pages > uint64(v.size)/m.pageSize {
		return false, damagedf("it has %d bytes, and should have %d pages of %d", v.size, m.pages, m.pageSize)
	}
	if err := v.tree(m.root, maxDepth); err != nil {
		return false, err
	}
	return torn, v.freelist(m.freelist)
}

type meta struct {
	pageSize, root, freelist, pages, tx uint64
}

// parseMeta returns the content of a meta page, if it is valid.
func parseMeta(page []byte) (meta, bool) {
	if len(page) < pageHeader+metaSize {
		return meta{}, false
	}
	b := page[pageHeader:][:metaSize]
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8])
	order := binary.NativeEndian
	if order.Uint32(b) != metaMagic || order.Uint32(b[4:]) != metaVersion || order.Uint64(b[56:]) != sum.Sum64() {
		return meta{}, false
	}
	m := meta{
		pageSize: uint64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]), freelist: order.Uint64(b[32:]), pages: order.Uint64(b[40:]), tx: order.Uint64(b[48:]),
	}
	sane := m.pageSize >= minPageSize && m.pageSize <= maxPageSize && m.pageSize&(m.pageSize-1) == 0
	return m, sane
}

// verifier walks through one file.
type verifier struct {
	file     io.ReaderAt
	size     int64
	pageSize uint64
	pages    uint64 // below this number
	used     map[uint64]bool
}

// meta finds the meta page that bbolt will use. The second one is one page behind
// the first, and without a first nobody knows how long that is.
func (v *verifier) meta() (m meta, torn bool, err error) {
	first, ok, err := v.metaAt(0)
	if err != nil {
		return meta{}, false, err
	}
	if ok {
		second, twice, err := v.metaAt(int64(first.pageSize))
		switch {
		case err != nil:
			return meta{}, false, err
		case twice && second.pageSize == first.pageSize && second.tx > first.tx:
			return second, false, nil
		}
		return first, !twice, nil
	}
	for size := int64(minPageSize); size <= maxPageSize && size < v.size; size *= 2 {
		second, ok, err := v.metaAt(size)
		if err != nil {
			return meta{}, false, err
		}
		if ok && int64(second.pageSize) == size {
			return second, true, nil
		}
	}
	return meta{}, false, damagedf("it has no valid meta page")
}

func (v *verifier) metaAt(offset int64) (meta, bool, error) {
	page := make([]byte, pageHeader+metaSize)
	n, err := v.file.ReadAt(page, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return meta{}, false, err
	}
	m, ok := parseMeta(page[:n])
	return m, ok, nil
}

// page reads a page with those that it continues on, and marks them as used.
func (v *verifier) page(id uint64) (flags uint16, count int, content []byte, err error) {
	if id >= v.pages {
		return 0, 0, nil, damagedf("page %d is beyond the end", id)
	}
	head := make([]byte, pageHeader)
	if err := v.read(head, id); err != nil {
		return 0, 0, nil, err
	}
	order := binary.NativeEndian
	if got := order.Uint64(head); got != id {
		return 0, 0, nil, damagedf("page %d says that it is page %d", id, got)
	}
	overflow := uint64(order.Uint32(head[12:]))
	if overflow >= v.pages-id {
		return 0, 0, nil, damagedf("page %d is too long", id)
	}
	for p := id; p <= id+overflow; p++ {
		if v.used[p] {
			return 0, 0, nil, damagedf("page %d is in use twice", p)
		}
		v.used[p] = true
	}
	content = make([]byte, (overflow+1)*v.pageSize)
	if err := v.read(content, id); err != nil {
		return 0, 0, nil, err
	}
	return order.Uint16(content[8:]), int(order.Uint16(content[10:])), content, nil
}

func (v *verifier) read(into []byte, page uint64) error {
	_, err := v.file.ReadAt(into, int64(page*v.pageSize))
	if errors.Is(err, io.EOF) {
		return damagedf("it ends within page %d", page)
	}
	return err
}

// tree checks the bucket whose root is the given page. Depth is how much deeper it
// may go.
func (v *verifier) tree(root uint64, depth int) error {
	_, err := v.subtree(root, nil, nil, depth)
	return err
}

// subtree checks a page and what is below it. Its keys must be sorted, behind last
// and not before first. It returns its last key.
func (v *verifier) subtree(id uint64, last, first []byte, depth int) ([]byte, error) {
	if depth == 0 {
		return nil, damagedf("page %d is too deep", id)
	}
	flags, count, content, err := v.page(id)
	if err != nil {
		return nil, err
	}
	switch flags {
	case leafPage:
		return v.leaf(id, count, content, last, first, depth)
	case branchPage:
		if count == 0 {
			return nil, damagedf("page %d has nothing below it", id)
		}
	default:
		return nil, damagedf("page %d is of kind %#x", id, flags)
	}
	for i := range count {
		at := pageHeader + i*elementSize
		element, err := slice(content, at, elementSize)
		if err != nil {
			return nil, damagedf("page %d: %v", id, err)
		}
		order := binary.NativeEndian
		key, err := slice(content, at+int(order.Uint32(element)), int(order.Uint32(element[4:])))
		if err != nil {
			return nil, damagedf("page %d: %v", id, err)
		}
		if last, err = v.subtree(order.Uint64(element[8:]), last, key, depth-1); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// leaf checks a leaf page, or the inline one of a small bucket.
func (v *verifier) leaf(id uint64, count int, content, last, first []byte, depth int) ([]byte, error) {
	for i := range count {
		at := pageHeader + i*elementSize
		element, err := slice(content, at, elementSize)
		if err != nil {
			return nil, damagedf("page %d: %v", id, err)
		}
		order := binary.NativeEndian
		start, keySize := at+int(order.Uint32(element[4:])), int(order.Uint32(element[8:]))
		key, err := slice(content, start, keySize)
		if err != nil {
			return nil, damagedf("page %d: %v", id, err)
		}
		value, err := slice(content, start+keySize, int(order.Uint32(element[12:])))
		if err != nil {
			return nil, damagedf("page %d: %v", id, err)
		}
		if last != nil && bytes.Compare(key, last) <= 0 || bytes.Compare(key, first) < 0 {
			return nil, damagedf("page %d: its keys are not in order", id)
		}
		last = key
		if order.Uint32(element)&bucketElement != 0 {
			if err := v.bucket(id, value, depth-1); err != nil {
				return nil, err
			}
		}
	}
	return last, nil
}

// bucket checks a bucket within page id: one with a tree of its own, or a small
// one that is all in its value.
func (v *verifier) bucket(id uint64, value []byte, depth int) error {
	if len(value) < bucketSize || depth <= 0 {
		return damagedf("page %d: a bucket is cut off, or too deep", id)
	}
	order := binary.NativeEndian
	if root := order.Uint64(value); root != 0 {
		return v.tree(root, depth)
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != leafPage {
		return damagedf("page %d: a small bucket is cut off", id)
	}
	_, err := v.leaf(id, int(order.Uint16(inline[10:])), inline, nil, nil, depth)
	return err
}

// freelist checks that the pages in the list are free.
func (v *verifier) freelist(id uint64) error {
	if id == noFreelist {
		return damagedf("it has no list of free pages, which this program always writes")
	}
	flags, count, content, err := v.page(id)
	if err != nil {
		return err
	}
	if flags != freelistPage {
		return damagedf("page %d is of kind %#x, want the list of free pages", id, flags)
	}
	numbers, order := content[pageHeader:], binary.NativeEndian
	if count == manyFree {
		n := order.Uint64(numbers)
		if n > v.pages {
			return damagedf("the list of free pages is too long")
		}
		count, numbers = int(n), numbers[8:]
	}
	if count > len(numbers)/8 {
		return damagedf("the list of free pages is cut off")
	}
	for i := range count {
		page := order.Uint64(numbers[8*i:])
		if page >= v.pages || v.used[page] {
			return damagedf("page %d is in use and free", page)
		}
		v.used[page] = true
	}
	return nil
}

// slice returns a part of a page, if it is one.
func slice(page []byte, from, length int) ([]byte, error) {
	if from < 0 || length < 0 || from > len(page) || length > len(page)-from {
		return nil, errors.New("an element is beyond its end")
	}
	return page[from : from+length], nil
}
