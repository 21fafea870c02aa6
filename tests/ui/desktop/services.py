"""What a desktop offers an application, without the desktop: a tray, and notifications.

Reads one request a line on standard input, `{"id": 1, "do": "menu"}`, and answers each with one line
on standard output, `{"id": 1, "ok": ...}` or `{"id": 1, "failed": "why"}`. Lines without an id tell
what an application did: `{"event": "notified", ...}`.
"""

import json
import os
import sys
import time

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib
from Xlib import X, display, error, protocol

WATCHER = "org.kde.StatusNotifierWatcher"
NOTIFICATIONS = "org.freedesktop.Notifications"
MENU = "com.canonical.dbusmenu"
ITEM = "org.kde.StatusNotifierItem"


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def plain(value):
    """A D-Bus value as JSON has it."""
    if isinstance(value, dbus.Boolean):
        return bool(value)
    if isinstance(value, (dbus.Dictionary, dict)):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (dbus.Array, dbus.Struct, list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str(value)


class Tray(dbus.service.Object):
    """The watcher that applications give their tray icon to, and the host that would draw it."""

    def __init__(self, bus):
        name = dbus.service.BusName(WATCHER, bus, do_not_queue=True)
        super().__init__(name, "/StatusNotifierWatcher")
        self.bus = bus
        self.items = []

    @dbus.service.method(WATCHER, in_signature="s", sender_keyword="sender")
    def RegisterStatusNotifierItem(self, service, sender=None):
        owner, path = (sender, service) if service.startswith("/") else (service, "/StatusNotifierItem")
        self.items.append((owner, path))
        say({"event": "tray"})
        self.bus.watch_name_owner(owner, lambda now: None if now else self.forget(owner))

    def forget(self, owner):
        self.items = [item for item in self.items if item[0] != owner]

    @dbus.service.method(WATCHER, in_signature="s")
    def RegisterStatusNotifierHost(self, _service):
        pass

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="ss", out_signature="v")
    def Get(self, _interface, name):
        return self.GetAll(_interface)[name]

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="s", out_signature="a{sv}")
    def GetAll(self, _interface):
        items = dbus.Array([owner + path for owner, path in self.items], signature="s")
        return {
            "RegisteredStatusNotifierItems": items,
            "IsStatusNotifierHostRegistered": True,
            "ProtocolVersion": dbus.Int32(0),
        }

    def item(self):
        if not self.items:
            raise LookupError("no application has put an icon in the tray")
        owner, path = self.items[-1]
        properties = dbus.Interface(self.bus.get_object(owner, path), dbus.PROPERTIES_IFACE)
        return owner, properties

    def icon(self):
        _owner, properties = self.item()
        found = plain(properties.GetAll(ITEM))
        return {key: found.get(key) for key in ("Status", "IconName", "IconThemePath", "Title", "XAyatanaLabel")}

    def menu_of(self):
        owner, properties = self.item()
        path = str(properties.Get(ITEM, "Menu"))
        return dbus.Interface(self.bus.get_object(owner, path), MENU)

    def menu(self):
        menu = self.menu_of()
        menu.AboutToShow(0)
        _revision, root = menu.GetLayout(0, -1, dbus.Array([], signature="s"))
        return self.entries(root)

    def entries(self, node):
        number, properties, children = node
        properties = plain(properties)
        entry = {
            "id": int(number),
            "label": properties.get("label", "").replace("__", "\0").replace("_", "").replace("\0", "_"),
            "separator": properties.get("type") == "separator",
            "enabled": properties.get("enabled", True),
            "visible": properties.get("visible", True),
            "check": properties.get("toggle-type") == "checkmark",
            "checked": properties.get("toggle-state") == 1,
        }
        entry["children"] = [self.entries(child) for child in children]
        return entry

    def click(self, item):
        now = dbus.UInt32(0)
        self.menu_of().Event(dbus.Int32(item), "clicked", dbus.String("", variant_level=1), now)


class Notifications(dbus.service.Object):
    """A notification daemon that shows nothing and can press any button."""

    def __init__(self, bus):
        name = dbus.service.BusName(NOTIFICATIONS, bus, do_not_queue=True)
        super().__init__(name, "/org/freedesktop/Notifications")
        self.last = 0

    @dbus.service.method(NOTIFICATIONS, out_signature="as")
    def GetCapabilities(self):
        return ["actions", "body", "persistence"]

    @dbus.service.method(NOTIFICATIONS, out_signature="ssss")
    def GetServerInformation(self):
        return ("test", "test", "1", "1.2")

    @dbus.service.method(NOTIFICATIONS, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, app, replaces, icon, summary, body, actions, hints, timeout):
        self.last += 1
        number = int(replaces) or self.last
        words = plain(actions)
        buttons = dict(zip(words[::2], words[1::2]))
        say({"event": "notified", "number": number, "app": plain(app), "summary": plain(summary),
             "body": plain(body), "buttons": buttons})
        return dbus.UInt32(number)

    @dbus.service.method(NOTIFICATIONS, in_signature="u")
    def CloseNotification(self, number):
        self.NotificationClosed(number, 3)

    @dbus.service.signal(NOTIFICATIONS, signature="uu")
    def NotificationClosed(self, number, reason):
        pass

    @dbus.service.signal(NOTIFICATIONS, signature="us")
    def ActionInvoked(self, number, action):
        pass

    def press(self, number, action):
        self.ActionInvoked(dbus.UInt32(number), action)
        self.NotificationClosed(dbus.UInt32(number), dbus.UInt32(2))


class Windows:
    """The windows on the screen, as a window manager would see them."""

    def __init__(self):
        self.display = display.Display()
        self.protocols = self.display.intern_atom("WM_PROTOCOLS")
        self.delete = self.display.intern_atom("WM_DELETE_WINDOW")

    def all(self):
        """Every window that asks to be told when it is to close: name, whether it is seen."""
        found = []
        for window in self.display.screen().root.query_tree().children:
            try:
                asked = window.get_full_property(self.protocols, X.AnyPropertyType)
                if asked is None or self.delete not in asked.value:
                    continue
                # A browser's helpers have windows of one pixel.
                size = window.get_geometry()
                if size.width < 100:
                    continue
                seen = window.get_attributes().map_state == X.IsViewable
                found.append((window, {"title": self.title(window), "seen": seen,
                                       "width": size.width, "height": size.height}))
            except error.XError:
                continue
        return found

    def title(self, window):
        name = window.get_full_property(self.display.intern_atom("_NET_WM_NAME"), X.AnyPropertyType)
        value = name.value if name else b""
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def list(self):
        return [about for _window, about in self.all()]

    def close(self):
        """Asks every window to close, as the button in its frame would."""
        for window, about in self.all():
            if about["seen"]:
                event = protocol.event.ClientMessage(
                    window=window, client_type=self.protocols, data=(32, [self.delete, X.CurrentTime, 0, 0, 0]))
                window.send_event(event)
        self.display.sync()

    def rows(self, colour, left, right, least, seconds):
        """The time of day when `least` rows with a dot of that colour stand between `left` and `right`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for window, about in self.all():
                if about["seen"] and self.dots(window, colour, left, right, about["height"]) >= least:
                    return time.time() * 1000
            # Nobody tells of what is drawn: how often it is looked at is how exact the time is.
            time.sleep(0.004)
        raise TimeoutError(f"no {least} rows on the screen")

    def dots(self, window, colour, left, right, height):
        """How many separate heights of a strip have a pixel of that colour."""
        try:
            image = window.get_image(left, 0, right - left, height, X.ZPixmap, 0xFFFFFFFF)
        except error.XError:
            return 0
        line = (right - left) * 4
        wanted = bytes(reversed(bytes.fromhex(colour)))
        count, before = 0, False
        for at in range(0, height * line, line):
            row = image.data[at : at + line]
            here = any(row[x : x + 3] == wanted for x in range(0, line, 4))
            count += here and not before
            before = here
        return count

    def resize(self, width, height):
        for window, about in self.all():
            if about["seen"]:
                window.configure(x=0, y=0, width=width, height=height)
        self.display.sync()


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.SessionBus()
    windows = Windows()
    deeds = {
        "owned": lambda name: bool(bus.name_has_owner(name)),
        "windows": windows.list,
        "close": windows.close,
        "resize": windows.resize,
        "rows": windows.rows,
    }
    if "--bare" not in sys.argv:
        tray, notifications = Tray(bus), Notifications(bus)
        deeds |= {"icon": tray.icon, "menu": tray.menu, "click": tray.click, "press": notifications.press}
    waiting = b""

    def hear(descriptor, condition):
        nonlocal waiting
        read = os.read(descriptor, 65536)
        if not read:
            loop.quit()
            return False
        *lines, waiting = (waiting + read).split(b"\n")
        for line in lines:
            request = json.loads(line)
            number, do = request.pop("id"), request.pop("do")
            try:
                say({"id": number, "ok": deeds[do](**request)})
            except Exception as problem:  # told to whoever asked
                say({"id": number, "failed": f"{type(problem).__name__}: {problem}"})
        return True

    loop = GLib.MainLoop()
    GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, sys.stdin.fileno(), GLib.IOCondition.IN | GLib.IOCondition.HUP, hear)
    say({"event": "ready"})
    loop.run()


main()
