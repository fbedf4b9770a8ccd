/* schema_value.c - JSON values as a schema compares them
 *
 * Numbers are compared by what they are, not by how they are written: 1 and 1.0 are one, and
 * integers beyond 2^53 are not rounded.  SPDX-License-Identifier: MIT */
#include "schema.h"

#include <math.h>

unsigned ch_json_kind(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_NULL: return CH_J_NULL;
    case JSON_TRUE: case JSON_FALSE: return CH_J_BOOL;
    case JSON_INTEGER: return CH_J_INT;
    case JSON_REAL: return floor(json_real_value(v)) == json_real_value(v) ? CH_J_INT
                                                                           : CH_J_FRACTION;
    case JSON_STRING: return CH_J_STRING;
    case JSON_ARRAY: return CH_J_ARRAY;
    default: return CH_J_OBJECT;
    }
}

static int compare_mixed(json_int_t i, double x)
{
    static const double two_63 = 9223372036854775808.0;
    if (x >= two_63)
        return -1;
    if (x < -two_63)
        return 1;
    const double whole = trunc(x);
    if (i != (json_int_t)whole)
        return i < (json_int_t)whole ? -1 : 1;
    return whole < x ? -1 : whole > x;
}

int ch_json_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        const json_int_t x = json_integer_value(a), y = json_integer_value(b);
        return x < y ? -1 : x > y;
    }
    if (json_is_integer(a))
        return compare_mixed(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b))
        return -compare_mixed(json_integer_value(b), json_real_value(a));
    const double x = json_real_value(a), y = json_real_value(b);
    return x < y ? -1 : x > y;
}

/* As deep as the parser lets values be. */
bool ch_json_same(json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return ch_json_compare(a, b) == 0;
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (!json_is_array(a) && !json_is_object(a))
        return json_equal(a, b) == 1;
    if (json_array_size(a) != json_array_size(b) || json_object_size(a) != json_object_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!ch_json_same(json_array_get(a, i), json_array_get(b, i)))
            return false;
    const char *key;
    json_t *v;
    json_object_foreach(a, key, v)
    {
        const json_t *other = json_object_get(b, key);
        if (!other || !ch_json_same(v, other))
            return false;
    }
    return true;
}
