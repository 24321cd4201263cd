/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * SQLite's file system with the faults of base/fault.h (open, write, fsync): a layer over the real
 * one that becomes the default once installed. Not there unless a test asks for it.
 */

void fault_vfs_install(void); /* again is fine; before the first database is opened */
