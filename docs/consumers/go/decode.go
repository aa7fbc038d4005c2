package rejoin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// Wide is an unsigned 64-bit integer: a decimal string in JSON, an integer in MessagePack.
type Wide uint64

// Decode returns the record in one message's value, in either encoding.
func Decode(value []byte) (*Record, error) {
	if len(value) == 0 {
		return nil, errors.New("a message without a value")
	}
	record := new(Record)
	if bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{")) {
		if err := json.Unmarshal(value, record); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
	} else if err := unpack(value, record); err != nil {
		return nil, fmt.Errorf("not MessagePack: %w", err)
	}
	if record.Event.Dataset == "" {
		return nil, errors.New("not a record: event.dataset is missing")
	}
	return record, nil
}

func unpack(value []byte, record *Record) error {
	reader := bytes.NewReader(value)
	decoder := msgpack.NewDecoder(reader)
	decoder.SetCustomStructTag("json")
	if err := decoder.Decode(record); err != nil {
		return err
	}
	if reader.Len() > 0 {
		return fmt.Errorf("%d octets behind it", reader.Len())
	}
	return nil
}

// UnmarshalJSON takes a decimal string.
func (wide *Wide) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	*wide = Wide(number)
	return err
}

// MarshalJSON writes a decimal string.
func (wide Wide) MarshalJSON() ([]byte, error) {
	return json.Marshal(strconv.FormatUint(uint64(wide), 10))
}

// Time is a moment of packet time, a text in both encodings.
type Time time.Time

// UnmarshalText takes ISO 8601 in UTC, with up to six digits of a second.
func (moment *Time) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.RFC3339Nano, string(text))
	*moment = Time(parsed)
	return err
}

// MarshalText writes what UnmarshalText takes.
func (moment Time) MarshalText() ([]byte, error) {
	return []byte(time.Time(moment).UTC().Format(time.RFC3339Nano)), nil
}
