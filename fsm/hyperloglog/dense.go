package hyperloglog

// denseGet returns register i of the dense registers r.
func denseGet(r []byte, i int) byte {
	at, shift := i*registerBits/8, i*registerBits%8
	v := r[at] >> shift
	if shift > 8-registerBits {
		v |= r[at+1] << (8 - shift)
	}
	return v & registerMask
}

// denseSet sets register i of the dense registers r.
func denseSet(r []byte, i int, count byte) {
	at, shift := i*registerBits/8, i*registerBits%8
	r[at] = r[at]&^(registerMask<<shift) | count<<shift
	if shift > 8-registerBits {
		r[at+1] = r[at+1]&^(registerMask>>(8-shift)) | count>>(8-shift)
	}
}

// denseRaise gives register i at least the count and reports whether it changed.
func denseRaise(r []byte, i int, count byte) bool {
	if denseGet(r, i) >= count {
		return false
	}
	denseSet(r, i, count)
	return true
}

// ToDense returns a valid value in dense form: itself, or a new one with the
// same header.
func ToDense(b []byte) ([]byte, error) {
	if EncodingOf(b) == Dense {
		return b, nil
	}
	dense := make([]byte, DenseSize)
	copy(dense, b[:headerSize])
	dense[4] = byte(Dense)
	err := eachRun(b, func(at, length int, count byte) {
		if count > 0 {
			for i := at; i < at+length; i++ {
				denseSet(dense[headerSize:], i, count)
			}
		}
	})
	if err != nil {
		return b, err
	}
	return dense, nil
}

// DenseRegister returns register i of a valid dense value.
func DenseRegister(b []byte, i int) byte { return denseGet(b[headerSize:], i) }
