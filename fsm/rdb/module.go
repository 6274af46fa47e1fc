package rdb

import "fmt"

// Values of modules. There are no modules here, so what one has written can't be
// read; the error names the one that is missing, as Redis does.

// moduleAlphabet are the characters of a module type's name; an ID has nine of them,
// six bits each, above ten bits for the version of its encoding.
const moduleAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func moduleName(id uint64) string {
	var name [9]byte
	id >>= 10
	for i := len(name) - 1; i >= 0; i-- {
		name[i] = moduleAlphabet[id&63]
		id >>= 6
	}
	return string(name[:])
}

// moduleValue reads the beginning of a module's value and says that it can't be loaded.
func (d *Decoder) moduleValue() error {
	id, err := d.src.count()
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: The RDB file contains module data I can't load: no matching module type '%s'", ErrUnsupported, moduleName(id))
}

// moduleAux is moduleValue for data that belongs to no key.
func (d *Decoder) moduleAux() error {
	id, err := d.src.count()
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: The RDB file contains AUX module data I can't load: no matching module '%s'", ErrUnsupported, moduleName(id))
}
