using System.Diagnostics;

namespace DistOpt.EndToEnd.Tests.Support;

/// <summary>
/// Machines as Linux network namespaces on a switch that is in a namespace too, so that their addresses meet nobody else's. Deleted when
/// disposed of.
/// </summary>
internal sealed class NetworkNamespaces : IDisposable
{
    private static int _made;

    private readonly string _prefix = $"do{Environment.ProcessId}-{Interlocked.Increment(ref _made)}-";
    private readonly List<string> _names = [];

    private NetworkNamespaces() { }

    /// <summary>Why there can be none here; null if there can.</summary>
    public static string? Missing()
    {
        if (!OperatingSystem.IsLinux()) return "network namespaces are a thing of Linux";
        if (Environment.UserName != "root") return "network namespaces need root";
        try
        {
            using var namespaces = new NetworkNamespaces();
            namespaces.Add("probe");
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return "network namespaces cannot be made here: " + e.Message;
        }
    }

    /// <param name="addresses">One machine for each, in one network of /24.</param>
    public static NetworkNamespaces Make(params string[] addresses)
    {
        var namespaces = new NetworkNamespaces();
        try
        {
            string hub = namespaces.Add("hub");
            Ip("-n", hub, "link", "add", "switch", "type", "bridge");
            Ip("-n", hub, "link", "set", "switch", "up");
            foreach (string address in addresses)
            {
                string name = namespaces.Add(address);
                string port = "p" + address.Split('.')[^1];
                Ip("-n", hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name);
                Ip("-n", hub, "link", "set", port, "master", "switch", "up");
                Ip("-n", name, "addr", "add", address + "/24", "dev", "eth0");
                Ip("-n", name, "link", "set", "eth0", "up");
            }
            return namespaces;
        }
        catch
        {
            namespaces.Dispose();
            throw;
        }
    }

    /// <summary>What runs a program on the machine of that address.</summary>
    public string[] On(string address) => ["ip", "netns", "exec", _prefix + address];

    /// <summary>Unplugs the machine: nothing passes any more, in either direction, and nobody is told.</summary>
    public void Cut(string address) => Ip("-n", _prefix + "hub", "link", "set", "p" + address.Split('.')[^1], "nomaster");

    /// <summary>Plugs it in again.</summary>
    public void Mend(string address) => Ip("-n", _prefix + "hub", "link", "set", "p" + address.Split('.')[^1], "master", "switch");

    /// <summary>TCP ports that something on the machine listens on, at its address or any.</summary>
    public int[] ListeningPorts(string address)
    {
        const string listening = "0A";
        return
        [
            .. Run("ip", "netns", "exec", _prefix + address, "cat", "/proc/net/tcp").Split('\n').Skip(1)
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(f => f.Length > 3 && f[3] == listening)
                .Select(f => Convert.ToInt32(f[1].Split(':')[1], 16)).Order(),
        ];
    }

    public void Dispose()
    {
        foreach (string name in Enumerable.Reverse(_names)) Ip("netns", "delete", name);
    }

    private string Add(string name)
    {
        Ip("netns", "add", _prefix + name);
        _names.Add(_prefix + name);
        Ip("-n", _prefix + name, "link", "set", "lo", "up");
        return _prefix + name;
    }

    private static void Ip(params string[] arguments) => Run("ip", arguments);

    private static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd(), error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {error.Trim()}");
    }
}
