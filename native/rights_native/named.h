/* Named tuples, made in one step. `tuple.__new__` takes the fields as a tuple, which is made first and thrown away after;
   with how it is called from compiled code that is three times the instructions. */

#include <Python.h>

static inline PyObject *named_tuple(PyObject *type, PyObject *const *fields, Py_ssize_t count) {
    PyObject *made = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, count);
    if (made == NULL) return NULL;
    for (Py_ssize_t i = 0; i < count; i++) PyTuple_SET_ITEM(made, i, Py_NewRef(fields[i]));
    return made;
}

static inline PyObject *named_3(PyObject *type, PyObject *a, PyObject *b, PyObject *c) {
    PyObject *fields[] = {a, b, c};
    return named_tuple(type, fields, 3);
}

static inline PyObject *named_4(PyObject *type, PyObject *a, PyObject *b, PyObject *c, PyObject *d) {
    PyObject *fields[] = {a, b, c, d};
    return named_tuple(type, fields, 4);
}

static inline PyObject *named_5(
    PyObject *type, PyObject *a, PyObject *b, PyObject *c, PyObject *d, PyObject *e
) {
    PyObject *fields[] = {a, b, c, d, e};
    return named_tuple(type, fields, 5);
}
