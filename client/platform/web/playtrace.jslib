// playtrace.jslib - what web.c asks of a browser: files in memory saved to IndexedDB, fetch(), clocks
//
// For emcc --js-library and for Unity's Plugins/WebGL. ES5, because older linkers read it.
//
// A directory is an object of `dirs`: its files (name: {data: Uint8Array, size}), which names have changed
// since they were saved, and a database "playtrace:" + directory with one store, name -> bytes. What changed
// is saved in one transaction at a time; what changes meanwhile waits for the next.
mergeInto(LibraryManager.library, {
  $PlaytraceWeb__deps: [],
  $PlaytraceWeb: {
    UNKNOWN: 0, LOADING: 1, BUSY: 2, READY: 3, UNSTORED: 4,
    LOCK_WAIT_MS: 3000, // a page that is reloaded: the old one lets go a moment later
    OPEN_WAIT_MS: 10000,
    REPEAT_MS: 1000,
    KEEPALIVE_BYTES: 60000, // the browsers' limit is 64 KiB, headers and other requests included

    dirs: {},
    handles: [null], // index: {dir, name, file}
    names: [],       // what the last list found
    https: [null],   // index: {request: {...} or null}
    watch: null,

    load: function (path) {
      var self = PlaytraceWeb, dir = self.dirs[path];
      if (dir && dir.state !== self.BUSY) {
        return;
      }
      dir = self.dirs[path] = {
        state: self.LOADING, files: {}, changed: {}, hasChanged: false, db: null, isSaving: false,
        isStrict: false, hasFailed: false, isLocked: false
      };
      self.takeLock('playtrace:' + path, function (isTaken) {
        if (!isTaken) {
          dir.state = self.BUSY;
          return;
        }
        self.readAll('playtrace:' + path, dir, function (isStored) {
          dir.state = isStored ? self.READY : self.UNSTORED;
        });
      });
    },

    // The lock is held until the page is gone: its promise never ends.
    takeLock: function (name, then) {
      if (typeof navigator === 'undefined' || !navigator.locks || typeof AbortController === 'undefined') {
        then(true); // plain HTTP has no locks
        return;
      }
      var giveUp = new AbortController(), isOver = false;
      var end = function (isTaken) {
        if (!isOver) {
          isOver = true;
          clearTimeout(timer);
          then(isTaken);
        }
      };
      var timer = setTimeout(function () { giveUp.abort(); }, PlaytraceWeb.LOCK_WAIT_MS);
      navigator.locks.request(name, { signal: giveUp.signal }, function () {
        end(true);
        return new Promise(function () {});
      }).catch(function (error) { end(error.name !== 'AbortError'); }); // an origin without locks
    },

    // The database's files into memory; then(false): there is no storage to be had.
    readAll: function (name, dir, then) {
      var isOver = false, opening;
      var end = function (isStored) {
        if (!isOver) {
          isOver = true;
          clearTimeout(timer);
          then(isStored);
        }
      };
      var timer = setTimeout(function () { end(false); }, PlaytraceWeb.OPEN_WAIT_MS);
      try {
        opening = indexedDB.open(name, 1);
      } catch (error) {
        end(false);
        return;
      }
      opening.onerror = opening.onblocked = function () { end(false); };
      opening.onupgradeneeded = function () { opening.result.createObjectStore('files'); };
      opening.onsuccess = function () {
        var db = opening.result, found = {}, reading, cursor;
        if (isOver) {
          db.close();
          return;
        }
        try {
          reading = db.transaction(['files'], 'readonly');
          cursor = reading.objectStore('files').openCursor();
        } catch (error) {
          end(false);
          return;
        }
        cursor.onsuccess = function () {
          if (cursor.result) {
            found[cursor.result.key] = { data: cursor.result.value, size: cursor.result.value.length };
            cursor.result.continue();
          }
        };
        reading.onerror = reading.onabort = function () { end(false); };
        reading.oncomplete = function () {
          if (!isOver) {
            dir.files = found;
            dir.db = db;
            // Another page wants to delete or change the database: let it; this one goes on in memory.
            db.onversionchange = function () { db.close(); dir.db = null; dir.state = PlaytraceWeb.UNSTORED; };
          }
          end(true);
        };
      };
    },

    // `name` is other than what is saved. The C code that is running finishes its changes first.
    change: function (dir, name) {
      dir.changed[name] = true;
      if (!dir.hasChanged) {
        dir.hasChanged = true;
        Promise.resolve().then(function () { PlaytraceWeb.save(dir); });
      }
    },

    save: function (dir) {
      var self = PlaytraceWeb, names, writing, store;
      if (dir.isSaving || !dir.hasChanged || !dir.db) {
        return;
      }
      names = Object.keys(dir.changed);
      dir.changed = {};
      dir.hasChanged = false;
      dir.isSaving = true;
      var isOver = false;
      var fail = function () {
        if (isOver) {
          return;
        }
        isOver = true;
        dir.isSaving = false;
        dir.hasFailed = true; // no room, or the database is gone: file_sync says so
        names.forEach(function (name) { dir.changed[name] = true; });
        dir.hasChanged = true;
        setTimeout(function () { self.save(dir); }, self.REPEAT_MS);
      };
      try {
        writing = dir.db.transaction(['files'], 'readwrite', { durability: dir.isStrict ? 'strict' : 'default' });
        dir.isStrict = false;
        writing.onabort = writing.onerror = fail;
        writing.oncomplete = function () {
          isOver = true;
          dir.isSaving = false;
          dir.hasFailed = false;
          self.save(dir);
        };
        store = writing.objectStore('files');
        names.forEach(function (name) {
          var file = dir.files[name];
          if (file) {
            store.put(file.data.slice(0, file.size), name);
          } else {
            store.delete(name);
          }
        });
        if (writing.commit) {
          writing.commit();
        }
      } catch (error) {
        if (writing) {
          writing.abort(); // all or nothing
        }
        fail();
      }
    },

    // A path is its directory's, a slash, and a name without one.
    split: function (pointer) {
      var path = UTF8ToString(pointer), at = path.lastIndexOf('/');
      var dir = PlaytraceWeb.dirs[path.slice(0, at)];
      return dir && dir.state >= PlaytraceWeb.READY ? { dir: dir, name: path.slice(at + 1) } : null;
    },

    ready: function (pointer) {
      var dir = PlaytraceWeb.dirs[UTF8ToString(pointer)];
      return dir && dir.state >= PlaytraceWeb.READY ? dir : null;
    },

    put: function (list, value) {
      for (var i = 1; i < list.length; i++) {
        if (!list[i]) {
          list[i] = value;
          return i;
        }
      }
      list.push(value);
      return list.length - 1;
    },

    fetch: function (request, url, options) {
      var answered = null;
      var timer = request.timeoutMs > 0 ? setTimeout(function () { request.controller.abort(); }, request.timeoutMs) : 0;
      request.controller = new AbortController();
      options.signal = request.controller.signal;
      fetch(url, options).then(function (response) {
        answered = response;
        if (!response.body || !response.body.getReader) {
          return response.arrayBuffer().then(function (all) { request.parts.push(new Uint8Array(all)); });
        }
        var reader = response.body.getReader(), bytes = 0;
        var next = function (part) {
          if (part.done) {
            return undefined;
          }
          request.parts.push(part.value);
          bytes += part.value.length;
          // More than is asked for: the rest is left to the network.
          return bytes > request.bytesMax ? reader.cancel() : reader.read().then(next);
        };
        return reader.read().then(next);
      }).then(function () {
        request.headers = answered.headers;
        request.status = answered.status; // 0 for a redirect, which is not followed
      }).catch(function () {
        request.status = 0;
        request.parts = [];
      }).then(function () {
        clearTimeout(timer);
        request.isDone = true;
      });
    }
  },

  // ---- directories and files ----

  playtrace_js_load__deps: ['$PlaytraceWeb'],
  playtrace_js_load: function (path) {
    PlaytraceWeb.load(UTF8ToString(path));
  },

  playtrace_js_load_state__deps: ['$PlaytraceWeb'],
  playtrace_js_load_state: function (path) {
    var dir = PlaytraceWeb.dirs[UTF8ToString(path)];
    return dir ? dir.state : 0;
  },

  playtrace_js_is_stored__deps: ['$PlaytraceWeb'],
  playtrace_js_is_stored: function (path) {
    var dir = PlaytraceWeb.ready(path);
    return dir && dir.db && !dir.hasChanged && !dir.isSaving ? 1 : 0;
  },

  // A directory that another tab has is there, so that dir_lock can say so.
  playtrace_js_dir_is_there__deps: ['$PlaytraceWeb'],
  playtrace_js_dir_is_there: function (path) {
    var dir = PlaytraceWeb.dirs[UTF8ToString(path)];
    return dir && dir.state >= PlaytraceWeb.BUSY ? 1 : 0;
  },

  playtrace_js_dir_lock__deps: ['$PlaytraceWeb'],
  playtrace_js_dir_lock: function (path) {
    var dir = PlaytraceWeb.dirs[UTF8ToString(path)];
    if (!dir || dir.state < PlaytraceWeb.BUSY) {
      return -1;
    }
    if (dir.state === PlaytraceWeb.BUSY || dir.isLocked) {
      return 0;
    }
    dir.isLocked = true;
    return PlaytraceWeb.put(PlaytraceWeb.handles, { dir: dir });
  },

  playtrace_js_dir_unlock__deps: ['$PlaytraceWeb'],
  playtrace_js_dir_unlock: function (lock) {
    PlaytraceWeb.handles[lock].dir.isLocked = false;
    PlaytraceWeb.handles[lock] = null;
  },

  playtrace_js_list__deps: ['$PlaytraceWeb'],
  playtrace_js_list: function (path) {
    var dir = PlaytraceWeb.ready(path);
    PlaytraceWeb.names = dir ? Object.keys(dir.files) : [];
    return dir ? PlaytraceWeb.names.length : -1;
  },

  playtrace_js_list_name__deps: ['$PlaytraceWeb'],
  playtrace_js_list_name: function (index, out, bytes) {
    stringToUTF8(PlaytraceWeb.names[index], out, bytes);
  },

  // `mode`: 0 read, 1 append, 2 replace.
  playtrace_js_file_open__deps: ['$PlaytraceWeb'],
  playtrace_js_file_open: function (path, mode) {
    var at = PlaytraceWeb.split(path), file;
    if (!at) {
      return 0;
    }
    file = at.dir.files[at.name];
    if (!file && mode === 0) {
      return 0;
    }
    if (!file || mode === 2) {
      file = at.dir.files[at.name] = { data: new Uint8Array(256), size: 0 };
      PlaytraceWeb.change(at.dir, at.name);
    }
    file.name = at.name; // where it is removed it is no longer the one of its name
    return PlaytraceWeb.put(PlaytraceWeb.handles, { dir: at.dir, file: file });
  },

  playtrace_js_file_size__deps: ['$PlaytraceWeb'],
  playtrace_js_file_size: function (handle) {
    return PlaytraceWeb.handles[handle].file.size;
  },

  playtrace_js_file_append__deps: ['$PlaytraceWeb'],
  playtrace_js_file_append: function (handle, data, bytes) {
    var open = PlaytraceWeb.handles[handle], file = open.file, larger;
    if (file.size + bytes > file.data.length) {
      try {
        larger = new Uint8Array((file.size + bytes) * 2);
      } catch (error) {
        return -1;
      }
      larger.set(file.data.subarray(0, file.size));
      file.data = larger;
    }
    file.data.set(HEAPU8.subarray(data, data + bytes), file.size);
    file.size += bytes;
    PlaytraceWeb.change(open.dir, file.name);
    return 0;
  },

  playtrace_js_file_read__deps: ['$PlaytraceWeb'],
  playtrace_js_file_read: function (handle, offset, buffer, bytes) {
    var file = PlaytraceWeb.handles[handle].file;
    var part = file.data.subarray(Math.min(offset, file.size), Math.min(offset + bytes, file.size));
    HEAPU8.set(part, buffer);
    return part.length;
  },

  playtrace_js_file_truncate__deps: ['$PlaytraceWeb'],
  playtrace_js_file_truncate: function (handle, bytes) {
    var open = PlaytraceWeb.handles[handle];
    if (bytes > open.file.size) {
      return -1;
    }
    open.file.size = bytes;
    PlaytraceWeb.change(open.dir, open.file.name);
    return 0;
  },

  // Asks for the next save to reach the disk; -1: the last one failed, or there is no storage.
  playtrace_js_file_sync__deps: ['$PlaytraceWeb'],
  playtrace_js_file_sync: function (handle) {
    var dir = PlaytraceWeb.handles[handle].dir;
    dir.isStrict = true;
    return dir.state === PlaytraceWeb.READY && dir.hasFailed ? -1 : 0;
  },

  playtrace_js_file_close__deps: ['$PlaytraceWeb'],
  playtrace_js_file_close: function (handle) {
    PlaytraceWeb.handles[handle] = null;
  },

  playtrace_js_file_rename__deps: ['$PlaytraceWeb'],
  playtrace_js_file_rename: function (from, to) {
    var before = PlaytraceWeb.split(from), after = PlaytraceWeb.split(to);
    if (!before || !after || before.dir !== after.dir || !before.dir.files[before.name]) {
      return -1;
    }
    after.dir.files[after.name] = before.dir.files[before.name];
    after.dir.files[after.name].name = after.name;
    delete before.dir.files[before.name];
    PlaytraceWeb.change(before.dir, before.name);
    PlaytraceWeb.change(after.dir, after.name);
    return 0;
  },

  playtrace_js_file_remove__deps: ['$PlaytraceWeb'],
  playtrace_js_file_remove: function (path) {
    var at = PlaytraceWeb.split(path);
    if (!at) {
      return -1;
    }
    if (at.dir.files[at.name]) {
      delete at.dir.files[at.name];
      PlaytraceWeb.change(at.dir, at.name);
    }
    return 0;
  },

  // ---- clock and randomness ----

  playtrace_js_wall_ms: function () {
    return Date.now();
  },

  playtrace_js_mono_ms: function () {
    return performance.now();
  },

  playtrace_js_random: function (buffer, bytes) {
    var random = new Uint8Array(bytes); // getRandomValues() takes no view of a shared or growing heap
    try {
      for (var at = 0; at < bytes; at += 65536) {
        crypto.getRandomValues(random.subarray(at, Math.min(at + 65536, bytes)));
      }
    } catch (error) {
      return -1;
    }
    HEAPU8.set(random, buffer);
    return 0;
  },

  // ---- HTTP ----

  playtrace_js_http_create__deps: ['$PlaytraceWeb'],
  playtrace_js_http_create: function () {
    return PlaytraceWeb.put(PlaytraceWeb.https, { request: null, isPlainNext: false });
  },

  playtrace_js_http_destroy__deps: ['$PlaytraceWeb'],
  playtrace_js_http_destroy: function (http) {
    PlaytraceWeb.https[http] = null;
  },

  playtrace_js_http_start__deps: ['$PlaytraceWeb'],
  playtrace_js_http_start: function (http, method, url, headers, count, body, bytes, bytesMax, timeoutMs) {
    var transport = PlaytraceWeb.https[http], fields = new Headers(), options, i, line, colon;
    if (typeof fetch === 'undefined' || typeof AbortController === 'undefined') {
      return -1;
    }
    for (i = 0; i < count; i++) {
      line = UTF8ToString(HEAPU32[(headers >>> 2) + i]);
      colon = line.indexOf(':');
      fields.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    options = {
      method: UTF8ToString(method), headers: fields, mode: 'cors', credentials: 'omit', cache: 'no-store',
      redirect: 'manual', referrerPolicy: 'no-referrer'
    };
    if (options.method !== 'GET') {
      options.body = HEAPU8.slice(body, body + bytes);
      // A browser may refuse keepalive for reasons of its own: after a failure one try goes without.
      options.keepalive = bytes <= PlaytraceWeb.KEEPALIVE_BYTES && !transport.isPlainNext;
    }
    transport.request = {
      isDone: false, status: 0, headers: null, parts: [], bytesMax: bytesMax, timeoutMs: timeoutMs,
      controller: null, isKeepalive: !!options.keepalive
    };
    PlaytraceWeb.fetch(transport.request, UTF8ToString(url), options);
    return 0;
  },

  playtrace_js_http_is_done__deps: ['$PlaytraceWeb'],
  playtrace_js_http_is_done: function (http) {
    var transport = PlaytraceWeb.https[http], request = transport.request;
    if (request.isDone) {
      transport.isPlainNext = request.isKeepalive && request.status === 0;
    }
    return request.isDone ? 1 : 0;
  },

  playtrace_js_http_status__deps: ['$PlaytraceWeb'],
  playtrace_js_http_status: function (http) {
    return PlaytraceWeb.https[http].request.status;
  },

  playtrace_js_http_body__deps: ['$PlaytraceWeb'],
  playtrace_js_http_body: function (http, out, bytesMax) {
    var parts = PlaytraceWeb.https[http].request.parts, at = 0, i, part;
    for (i = 0; i < parts.length; i++) {
      part = parts[i].subarray(0, bytesMax - at);
      HEAPU8.set(part, out + at);
      at += part.length;
      if (part.length < parts[i].length) {
        return -1;
      }
    }
    return at;
  },

  // "" where there is none, where it does not fit, or where CORS hides it.
  playtrace_js_http_header__deps: ['$PlaytraceWeb'],
  playtrace_js_http_header: function (http, name, out, bytes) {
    var headers = PlaytraceWeb.https[http].request.headers;
    var value = headers && headers.get(UTF8ToString(name)) || '';
    stringToUTF8(lengthBytesUTF8(value) < bytes ? value : '', out, bytes);
  },

  playtrace_js_http_cancel__deps: ['$PlaytraceWeb'],
  playtrace_js_http_cancel: function (http) {
    var transport = PlaytraceWeb.https[http];
    transport.request.controller.abort();
    transport.request = null;
  },

  // ---- the page's life ----

  playtrace_js_watch__deps: ['$PlaytraceWeb'],
  playtrace_js_watch: function (onHide, onShow, client) {
    var self = PlaytraceWeb, watch;
    if (self.watch) {
      document.removeEventListener('visibilitychange', self.watch.change);
      window.removeEventListener('pagehide', self.watch.hide);
      window.removeEventListener('pageshow', self.watch.show);
      self.watch = null;
    }
    if (!client) {
      return;
    }
    watch = self.watch = {
      isHidden: document.visibilityState === 'hidden',
      hide: function () {
        watch.isHidden = true;
        {{{ makeDynCall('vi', 'onHide') }}}(client);
        Object.keys(self.dirs).forEach(function (path) { self.save(self.dirs[path]); }); // at once
      },
      show: function () {
        if (watch.isHidden) {
          watch.isHidden = false;
          {{{ makeDynCall('vi', 'onShow') }}}(client);
        }
      },
      change: function () {
        (document.visibilityState === 'hidden' ? watch.hide : watch.show)();
      }
    };
    document.addEventListener('visibilitychange', watch.change);
    window.addEventListener('pagehide', watch.hide);
    window.addEventListener('pageshow', watch.show);
  }
});
