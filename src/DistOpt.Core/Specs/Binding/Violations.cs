namespace DistOpt.Core.Specs.Binding;

/// <summary>Collects what is wrong, with the line of the value or of the nearest field around it.</summary>
internal sealed class Violations
{
    /// <summary>More are counted, not listed.</summary>
    public const int ListedMax = 100;

    private readonly List<SpecViolation> _all = [];
    private readonly Dictionary<string, int?> _lines = [];
    private int _unlisted;

    /// <summary>Whether the text of a further violation would not be shown.</summary>
    public bool Full => _all.Count >= ListedMax;

    public bool Any => _all.Count > 0;

    /// <summary>Those that are not listed included.</summary>
    public int Count => _all.Count + _unlisted;

    /// <summary>Those that are listed, in the order in which they were found.</summary>
    public IReadOnlyList<SpecViolation> Listed => _all;

    /// <summary>Notes where a value stands; null = in no file, so that its errors do not get the line of the section around it.</summary>
    public void Place(string path, int? line) => _lines.TryAdd(path, line);

    /// <summary>Notes what is wrong; once, however many rules find it.</summary>
    public void Add(string path, string message, int? line = null)
    {
        if (_all.Exists(v => v.Path == path && v.Message == message)) return;
        if (!Full)
            _all.Add(new SpecViolation(path, message, line ?? LineOf(path)));
        else
            _unlisted++;
    }

    /// <summary>Whether something at, under or above the path is wrong already.</summary>
    public bool Touches(string path) => _all.Exists(v => v.Path.Length > 0 && (Covers(v.Path, path) || Covers(path, v.Path)));

    /// <exception cref="SpecException">There are violations.</exception>
    public void ThrowIfAny()
    {
        if (Any)
            throw Thrown();
    }

    /// <summary>What <see cref="ThrowIfAny"/> throws.</summary>
    public SpecException Thrown()
    {
        // by line, then those without one (overrides, what is missing) in the order they were found
        var sorted = _all.OrderBy(v => v.Line ?? int.MaxValue).ToList();
        if (_unlisted > 0)
            sorted.Add(new SpecViolation("", $"{_unlisted} more of the kind"));
        return new SpecException(sorted);
    }

    private int? LineOf(string path)
    {
        while (true)
        {
            if (_lines.TryGetValue(path, out var line))
                return line;
            var end = path.LastIndexOfAny(['.', '[']);
            if (end < 0)
                return null;
            path = path[..end];
        }
    }

    /// <summary>Whether a path is another one, or is below it.</summary>
    internal static bool Covers(string outer, string inner) =>
        inner.StartsWith(outer, StringComparison.Ordinal) && (inner.Length == outer.Length || inner[outer.Length] is '.' or '[');
}
