package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// stored is the content in the xz format without being compressed, which the
// format allows: under the race detector a compressor took half a minute for
// what this does in no time, and would be one more dependency.
//
// The layout is that of "The .xz File Format", version 1.2.0: one stream of one
// block, with CRC32 as its check.
func stored(content []byte) []byte {
	flags := []byte{0, 1} // check: CRC32
	var out bytes.Buffer
	out.Write([]byte{0xfd, '7', 'z', 'X', 'Z', 0})
	out.Write(summed(flags))

	start := out.Len()
	// Header of the block: its size (in fours, less one), one filter, no sizes;
	// the filter LZMA2 with one byte of properties: a dictionary of 64 KiB.
	out.Write(summed([]byte{2, 0, 0x21, 1, 8, 0, 0, 0}))
	writeChunks(&out, content)
	unpadded := out.Len() - start + crc32.Size
	pad(&out)
	out.Write(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(content)))

	var index bytes.Buffer
	index.Write([]byte{0, 1}) // one record
	index.Write(binary.AppendUvarint(nil, uint64(unpadded)))
	index.Write(binary.AppendUvarint(nil, uint64(len(content))))
	pad(&index)
	out.Write(summed(index.Bytes()))

	size := binary.LittleEndian.AppendUint32(nil, uint32(index.Len()+crc32.Size)/4-1)
	footer := append(size, flags...)
	out.Write(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(footer)))
	out.Write(footer)
	out.WriteString("YZ")
	return out.Bytes()
}

// writeChunks writes LZMA2 chunks that hold their bytes as they are. The first
// one resets the dictionary, as it must; a zero ends them.
func writeChunks(out *bytes.Buffer, content []byte) {
	control := byte(1)
	for len(content) > 0 {
		n := min(len(content), 1<<16)
		out.WriteByte(control)
		out.Write(binary.BigEndian.AppendUint16(nil, uint16(n-1)))
		out.Write(content[:n])
		content, control = content[n:], 2
	}
	out.WriteByte(0)
}

func summed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(b), crc32.ChecksumIEEE(b))
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
