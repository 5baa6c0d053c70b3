using DistOpt.Core.Datasets;
using DistOpt.Core.Datasets.Augmentations;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Specs;

/// <summary>The catalogues that Core itself brings: what is added there is held to this without more.</summary>
public sealed class CoreCatalogsTests
{
    private static readonly SpecCatalogs Catalogs = TestCatalogs.All with
    {
        Datasets = DatasetCatalog.Create(),
        Optimizers = OptimizerCatalog.Default,
        Schedules = ScheduleCatalog.Default,
    };

    public static TheoryData<string, string> Entries
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var (path, catalog) in Fields)
            {
                foreach (var entry in catalog.Entries)
                    data.Add(path, entry.Name);
            }

            return data;
        }
    }

    private static (string Path, ICatalog Catalog)[] Fields =>
    [
        ("data", Catalogs.Datasets), ("optimizer", Catalogs.Optimizers), ("averaging", Catalogs.Averagings), ("schedule", Catalogs.Schedules), ("batch", Catalogs.Batches),
        ("training.consistency", Catalogs.Consistencies),
    ];

    [Theory]
    [MemberData(nameof(Entries))]
    public void Every_plug_in_can_be_chosen_by_its_name_and_is_written_back(string field, string name)
    {
        var binder = new SpecBinder(Catalogs);
        var text = SpecWriter.Write(binder.Default([$"{field}={name}"]));
        Assert.Equal(text, SpecWriter.Write(binder.ParseTraining(text)));
        Assert.Contains($": {name}\n", text, StringComparison.Ordinal);
    }

    public static TheoryData<string> Augmentations => [.. AugmentationCatalog.Default.Entries.Select(e => e.Name)];

    [Theory]
    [MemberData(nameof(Augmentations))]
    public void Every_augmentation_can_be_listed_and_is_written_back(string name)
    {
        var binder = new SpecBinder(Catalogs);
        var spec = binder.ParseTraining($"data: {{ name: digits, augment: [{name}, {{ kind: {name} }}] }}");
        Assert.Equal([name, name], spec.Data.Augment.Select(a => a.Kind));
        var text = SpecWriter.Write(binder.Check(spec));
        Assert.Equal(text, SpecWriter.Write(binder.ParseTraining(text)));
    }

    [Fact]
    public void Every_field_of_every_plug_in_is_described()
    {
        foreach (var catalog in CatalogListing.All(Catalogs).Where(c => c.Name is not ("models" or "losses")))
        {
            Assert.All(catalog.Entries, e => Assert.NotEmpty(e.Summary));
            Assert.All(catalog.Entries.SelectMany(e => e.Fields),
                f => Assert.False(string.IsNullOrEmpty(f.Description), $"{catalog.Name}: {f.Name}"));
        }
    }
}
