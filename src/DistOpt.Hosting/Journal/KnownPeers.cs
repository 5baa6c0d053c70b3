using System.Text;
using DistOpt.Core.Runs;

namespace DistOpt.Hosting.Journal;

/// <summary>
/// Control addresses of the other nodes, kept beside the journal: a coordinator that comes back after a crash joins the cluster that it left,
/// rather than begin one of its own. An address may have come to belong to something else meanwhile: what does not answer as a node of DistOpt
/// is passed over, and a cluster with another journal is left again (<see cref="Forget"/>).
/// </summary>
internal sealed class KnownPeers(string path)
{
    /// <summary>Enough of them to find a live one.</summary>
    private const int PeersMax = 100;

    private string _written = "";

    public string Path => path;

    public IReadOnlyList<string> Load() => File.Exists(path) ? File.ReadAllLines(path) : [];

    /// <summary>Replaces what is kept.</summary>
    public void Remember(IEnumerable<string> endpoints)
    {
        string text = string.Concat(endpoints.Order(StringComparer.Ordinal).Take(PeersMax).Select(e => e + "\n"));
        if (text == _written) return;
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        AtomicFile.Write(path, Encoding.UTF8.GetBytes(text));
        _written = text;
    }

    /// <summary>The addresses lead to somebody else.</summary>
    public void Forget() => File.Delete(path);
}
