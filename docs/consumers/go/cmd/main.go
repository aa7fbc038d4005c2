// Command cmd prints records as JSON, one a file: go run ./cmd FILE...
package main

import (
	"encoding/json"
	"fmt"
	"os"

	rejoin "example.org/rejoin"
)

func main() {
	for _, file := range os.Args[1:] {
		octets, err := os.ReadFile(file)
		if err != nil {
			fail(err)
		}
		record, err := rejoin.Decode(octets)
		if err != nil {
			fail(fmt.Errorf("%s: %w", file, err))
		}
		if err := json.NewEncoder(os.Stdout).Encode(record); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
