package proc

import (
	"runtime"
	"unsafe"
)

// An image is the memory that a new process works on between clone and exec: its
// steps, their results, and everything they point to. On amd64 that process
// shares the memory of this one while the Go runtime here knows nothing of it, so:
//
//   - The image is one allocation without Go pointers. Everything in it refers to
//     other places in it by address, so keeping it alive keeps all of it alive.
//   - Addresses are filled in only once it has its final size (seal), and then it
//     is pinned: the collector will neither move nor free it until unpin.
//   - It is not unpinned before the new process has left the memory, by exec or
//     by its end.
//
// The words of an image:
//
//	0 … 10   struct clone_args, the argument of clone3
//	11       32 bits, nonzero as long as the process shares the memory
//	12       32 bits, the pidfd
//	then     strings, lists and space for results
//	then     the steps, stepWords each: call, six arguments, result, and where
//	         else the result goes, in bytes from the start (0: nowhere)
type image struct {
	words []uint64
	refs  []int // words that hold a distance from the start and become addresses
	pin   runtime.Pinner
}

const (
	wordShared = 11
	wordPidfd  = 12
	headWords  = 16

	stepWords  = 9
	stepArgs   = 1
	stepResult = 7
	stepFeeds  = 8

	wordSize = 8

	// notRun is the result of a step that was not carried out. No call has it:
	// addresses, descriptors and ids are all smaller, and errors are negative.
	notRun = 1 << 62
)

// The layout is that of 64-bit ports. On others this does not compile, which is
// better than setgroups with 16-bit ids.
var _ [unsafe.Sizeof(uintptr(0)) - wordSize]struct{}

func newImage() *image { return &image{words: make([]uint64, headWords, 1024)} }

// space returns zeroed room for size bytes.
func (im *image) space(size int) arg {
	at := len(im.words)
	im.words = append(im.words, make([]uint64, (size+wordSize-1)/wordSize)...)
	return arg{value: uint64(at * wordSize), place: true}
}

// text returns a copy of s, with a NUL byte after it.
func (im *image) text(s string) arg {
	a := im.space(len(s) + 1)
	copy(im.bytes(a), s)
	return a
}

// textAndRoom is text with room for more bytes in place of the NUL, and returns
// where they go too.
func (im *image) textAndRoom(s string, more int) (whole, rest arg) {
	whole = im.space(len(s) + more + 1)
	copy(im.bytes(whole), s)
	return whole, arg{value: whole.value + uint64(len(s)), place: true}
}

// list returns a list of addresses with a null pointer after them, like argv.
func (im *image) list(items []arg) arg {
	a := im.space((len(items) + 1) * wordSize)
	for i, item := range items {
		im.set(int(a.value)/wordSize+i, item)
	}
	return a
}

// texts returns a list of copies of the strings.
func (im *image) texts(ss []string) []arg {
	items := make([]arg, 0, len(ss)+2)
	for _, s := range ss {
		items = append(items, im.text(s))
	}
	return items
}

// ids returns a list of 32-bit ids.
func (im *image) ids(ids []uint32) arg {
	a := im.space(len(ids) * 4)
	copy(unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(im.words[a.value/wordSize:]))), len(ids)), ids)
	return a
}

// pair returns two words.
func (im *image) pair(first, second uint64) arg {
	a := im.space(2 * wordSize)
	at := int(a.value) / wordSize
	im.words[at], im.words[at+1] = first, second
	return a
}

// bytes is everything from a place on.
func (im *image) bytes(a arg) []byte {
	words := im.words[a.value/wordSize:]
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*wordSize)
}

// set writes an argument into a word.
func (im *image) set(word int, a arg) {
	im.words[word] = a.value
	if a.place {
		im.refs = append(im.refs, word)
	}
}

// seal appends the steps, pins the image and fills in the addresses. It returns
// the word of the first step. Nothing may be added afterwards.
func (im *image) seal(steps []step) (first int) {
	first = int(im.space(len(steps)*stepWords*wordSize).value) / wordSize
	for i, st := range steps {
		at := first + i*stepWords
		im.words[at] = st.nr
		for k, a := range st.args {
			im.set(at+stepArgs+k, a)
		}
		im.words[at+stepResult] = notRun
		if st.feeds != 0 {
			im.words[at+stepFeeds] = uint64(first+st.feeds*stepWords+stepArgs) * wordSize
		}
	}
	start := unsafe.SliceData(im.words)
	im.pin.Pin(start)
	for _, word := range im.refs {
		im.words[word] += uint64(uintptr(unsafe.Pointer(start)))
	}
	return first
}

// unpin gives the memory back to the collector.
func (im *image) unpin() { im.pin.Unpin() }
