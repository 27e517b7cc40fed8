/*
 * The punch hole, the unpin, the fault and the lockless pin of the catalogue's first three scenarios, for one
 * page of an FS-DAX file on ext4, in Promela: a second, independent writing of the same steps, for Spin.
 * V7_2 is defined for v7.2, else it is v6.12. The order of accesses is that of src/kernel.
 *
 * Simplified, each in Spin's favour, since it has fewer steps:
 * - reads of what never changes here are left out: page flags, pgmap, the list of vmas, the size of the file;
 * - so are pgmap->ref, the dirty flag, the index and marks of the entry, and rss: nobody looks at them;
 * - of the two wait queues, that of locked DAX entries is left out: whoever locks one holds invalidate_lock
 *   shared, whoever waits for one holds it exclusively;
 * - interrupts are not turned off: with page tables freed by RCU, no flush waits for a walker;
 * - a page is known by its one number, a block by whether it is the file's;
 * - Spin tells one kind of dead state: a missed wakeup and a stuck wait are both an "invalid end state".
 */
#ifdef V7_2
#define IDLE 0
#define MAPPED 1	/* what a mapping counts */
#else
#define IDLE 1
#define MAPPED 0
#endif
#define PIN 1024
/* The twins of the catalogue, which break something on purpose. */
#ifdef TWIN_HOOK_TESTS_ZERO
#define WAKE_AT 0
#else
#define WAKE_AT IDLE
#endif

short refcount = IDLE + MAPPED + SETUP_PINS * PIN;
byte mapcount = 1;
bool pte = true, entry = true, entry_locked, page_mapping = true, block = true;
bool i_rwsem, invalidate_write, ptl, xa_lock;
byte invalidate_read, i_mmap_read, mmap_read;
/* The one waiter of the catalogue: on the queue, and woken. */
bool queued, woken;
/* Ghost: pins that somebody holds; and threads that have ended. */
byte pins = SETUP_PINS, ended;

/* no-pin-on-free-block, no-mapping-of-free-block: asserted in each step that could break them. */
#define CHECK assert(block || (pins == 0 && !pte))
/* references-add-up, where all have ended. */
#define END ended++; assert(ended < THREADS || refcount == IDLE + MAPPED * pte + pins * PIN)

inline lock(l) { atomic { !l -> l = true } }
inline unlock(l) { l = false }
inline lock_invalidate() { atomic { !invalidate_write && invalidate_read == 0 -> invalidate_write = true } }

/* folio_put_refs(), gup_put_folio() with the hook: the one who leaves the page idle wakes the waiter. */
inline put(n)
{
	d_step { refcount = refcount - n; last = (refcount == WAKE_AT) };
	if
	:: last -> d_step { last = false; woken = woken || queued; queued = false }
	:: else
	fi
}

/* unmap_mapping_range() for the one entry that there is. */
inline zap()
{
	i_mmap_read++;
	lock(ptl);
	if
	:: pte ->
		pte = false;
#ifdef V7_2
		mapcount--;
		unlock(ptl);
		put(1)
#else
		unlock(ptl)
#endif
	:: else -> unlock(ptl)
	fi;
	i_mmap_read--
}

/* dax_layout_busy_page(): is there a reference that is no mapping? */
inline scan()
{
	lock(xa_lock);
	if
	:: entry ->
#ifdef V7_2
		seen = refcount;
		d_step { busy = (seen != mapcount); seen = 0 }
#else
		busy = (refcount > 1)
#endif
	:: else
	fi;
	unlock(xa_lock)
}

/* __dax_invalidate_entry() */
inline delete_entry()
{
	lock(xa_lock);
	if
	:: entry ->
		page_mapping = false;
#ifdef V7_2
		assert(refcount == 0);
#endif
		entry = false
	:: else
	fi;
	unlock(xa_lock)
}

/* ext4_punch_hole(): break layouts, drop the page cache, free the block. */
proctype punch()
{
	bool busy, last;
	short seen;

	lock(i_rwsem);
	lock_invalidate();
again:
	zap();
	scan();
	if
	:: busy ->
		do
		:: d_step { busy = false; queued = true; woken = false };
			if
			:: refcount == IDLE -> break
			:: else ->
				invalidate_write = false;
				d_step { woken -> woken = false };
				lock_invalidate()
			fi
		od;
		queued = false;
		goto again
	:: else
	fi;
#ifdef V7_2
	delete_entry();
	zap();
#else
	zap();
	if
	:: entry -> delete_entry()
	:: else
	fi;
#endif
	if
	:: block -> d_step { block = false; CHECK }
	:: else
	fi;
	invalidate_write = false;
	d_step { i_rwsem = false; END }
}

/* unpin_user_pages() of a page that is pinned. */
proctype unpin()
{
	bool last;

	pins--;
	put(PIN);
	d_step { END }
}

/* A write access of user space, and the fault that it takes where nothing is mapped. */
proctype touch()
{
	bool last, fresh;

	if
	:: pte
	:: else ->
		mmap_read++;
		atomic { !invalidate_write -> invalidate_read++ };
		d_step { (!xa_lock && !entry_locked) -> entry_locked = true; fresh = !entry };
		if
		:: block
		:: else -> block = true
		fi;
		if
		:: fresh ->
			lock(xa_lock);
			assert(!page_mapping);
			page_mapping = true;
			entry = true;
			unlock(xa_lock)
		:: else
		fi;
#ifdef V7_2
		refcount++;
#endif
		lock(ptl);
		if
		:: !pte ->
#ifdef V7_2
			refcount++;
			mapcount++;
#endif
			d_step { pte = true; CHECK }
		:: else
		fi;
		unlock(ptl);
#ifdef V7_2
		put(1);
#endif
		d_step { !xa_lock -> entry_locked = false };
		invalidate_read--;
		mmap_read--
	fi;
	d_step { END }
}

/* pin_user_pages_fast_only(), and unpin_user_pages() of what it got. */
proctype gup()
{
	bool last, taken;

	if
	:: pte ->
		/* try_get_folio(): a look, and an increment unless the count is 0. */
		if
		:: refcount > 0 -> d_step { taken = (refcount > 0); refcount = refcount + taken }
		:: else
		fi;
		if
		:: taken ->
			refcount = refcount + PIN - 1;
#ifndef TWIN_SKIP_PTE_RECHECK
			if
			:: pte
			:: else -> taken = false
			fi;
#endif
			if
			:: taken ->
				d_step { taken = false; pins++; CHECK };
				pins--
			:: else
			fi;
			put(PIN)
		:: else
		fi
	:: else
	fi;
	d_step { END }
}
