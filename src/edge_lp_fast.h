/* SPDX-License-Identifier: Apache-2.0 */
/* For what runs in every frame. Arduino compiles a library as it compiles everything, with -Os, and
 * has no options for a file: this is the only place for them (runtime/sources.cmake). */
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__)
#pragma GCC optimize("O3")
#endif
