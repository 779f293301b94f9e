package vault

import (
	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/wire"
)

// restart prepares a contact for a stream that begins afresh, since one of the two
// sides was restored from a backup: both offer again what was not delivered, and
// words that were compared before say nothing any more.
func (tx *Tx) restart(n int64) error {
	for _, sql := range []string{
		`DELETE FROM frames WHERE contact = ?`,
		`DELETE FROM items WHERE contact = ? AND outgoing = 0 AND finished = 0`,
		`UPDATE items SET done = 0 WHERE contact = ? AND outgoing = 1 AND finished = 0`,
		`UPDATE contacts SET verified = 0 WHERE number = ?`,
	} {
		if err := tx.exec(sql, n); err != nil {
			return err
		}
	}
	return nil
}

// erased tells whether an item of the contact arrived once and was erased here.
func (tx *Tx) erased(n int64, id wire.ItemID) (found bool, err error) {
	err = tx.query(`SELECT 1 FROM erased WHERE contact = ? AND id = ?`, func(*sqlite3.Stmt) error {
		found = true
		return nil
	}, n, id)
	return found, err
}
